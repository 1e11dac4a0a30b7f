"""Which op the step of each optimizer is; in dynamic mode it runs on arrays, in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.ops.optimize import SCALARS
from wherry.ir.program import Program
from wherry.regularizer import L2Decay
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import CompilerMissingError

from . import more_rules, rules
from .optimizer import Group, Optimizer

Array = np.ndarray[Any, Any]
Run = Callable[[list[Array]], None]


class Update(NamedTuple):
    """The op of an optimizer: its state by slot, and its attributes for a parameter.

    `powers` are slots that the op only reads; each step multiplies them by an attribute.
    """

    type: str
    state: Mapping[str, str]
    attrs: Callable[[Any, Any, Group], dict[str, Any]]
    powers: Mapping[str, str] = {}


_MOMENTS = {
    "Moment1": "moment1", "Moment2": "moment2",
    "Beta1Pow": "beta1_pow_acc", "Beta2Pow": "beta2_pow_acc",
}  # fmt: skip


def _betas(optimizer: Any) -> dict[str, Any]:
    return {
        "beta1": optimizer._beta1, "beta2": optimizer._beta2, "epsilon": optimizer._epsilon,
    }  # fmt: skip


def _momentum(optimizer: Any, param: Any, group: Group) -> dict[str, Any]:
    attrs = {
        "mu": optimizer._momentum, "use_nesterov": optimizer._nesterov,
        "rescale_grad": optimizer._rescale,
    }  # fmt: skip
    penalty = optimizer.penalty(param, group)
    if type(penalty) is L2Decay:
        attrs |= {"regularization_method": "l2_decay", "regularization_coeff": penalty.coeff}
    return attrs


def _adamw(optimizer: Any, param: Any, group: Group) -> dict[str, Any]:
    decays = optimizer._decays is None or optimizer._decays(param.name)
    return {
        **_betas(optimizer),
        "coeff": group.weight_decay.coeff if group.weight_decay is not None else 0.0,
        "lr_ratio": 1.0 if optimizer._ratio is None else float(optimizer._ratio(param)),
        "with_decay": bool(decays and group.weight_decay is not None),
    }


def _lamb(optimizer: Any, param: Any, group: Group) -> dict[str, Any]:
    excluded = optimizer._excluded is not None and optimizer._excluded(param)
    return {
        **_betas(optimizer), "always_adapt": bool(optimizer._always_adapt),
        "weight_decay": 0.0 if excluded else optimizer._coefficient,
    }  # fmt: skip


def _rmsprop(optimizer: Any, param: Any, group: Group) -> dict[str, Any]:
    return {
        "decay": optimizer._rho, "epsilon": optimizer._epsilon,
        "momentum": optimizer._momentum, "centered": optimizer._centered,
    }  # fmt: skip


UPDATES: dict[type[Optimizer], Update] = {
    rules.SGD: Update("sgd", {}, lambda o, p, g: {}),
    rules.Momentum: Update("momentum", {"Velocity": "velocity"}, _momentum),
    rules.Adam: Update("adam", _MOMENTS, lambda o, p, g: _betas(o)),
    rules.AdamW: Update("adamw", _MOMENTS, _adamw),
    rules.Adagrad: Update(
        "adagrad", {"Moment": "moment"}, lambda o, p, g: {"epsilon": o._epsilon}
    ),
    rules.RMSProp: Update(
        "rmsprop",
        {"Moment": "momentum", "MeanSquare": "mean_square", "MeanGrad": "mean_grad"},
        _rmsprop,
    ),
    more_rules.Adamax: Update(
        "adamax", {"Moment": "moment", "InfNorm": "inf_norm", "Beta1Pow": "beta1_pow_acc"},
        lambda o, p, g: _betas(o), {"Beta1Pow": "beta1"},
    ),
    more_rules.Adadelta: Update(
        "adadelta",
        {"AvgSquaredGrad": "_avg_squared_grad", "AvgSquaredUpdate": "_avg_squared_update"},
        lambda o, p, g: {"rho": o._rho, "epsilon": o._epsilon},
    ),
    more_rules.Lamb: Update("lamb", _MOMENTS, _lamb),
}  # fmt: skip


def update_of(optimizer: Optimizer) -> Update:
    """The op of an optimizer. TypeError for a class whose `update` works on arrays."""
    kind = type(optimizer)
    if kind.update is Optimizer.update:
        for known in kind.__mro__:
            if known in UPDATES:
                return UPDATES[known]
    raise TypeError(
        f"{kind.__name__} changes arrays, which a Program cannot: use one of paddle.optimizer's "
        f"({', '.join(one.__name__ for one in UPDATES)}) in static mode"
    )


def run_update(optimizer: Optimizer, param: Any, grad: Array, lr: float, group: Group) -> None:
    """Change the parameter's array, and what the optimizer keeps for it, by one step."""
    known = next((UPDATES[one] for one in type(optimizer).__mro__ if one in UPDATES), None)
    if known is None:
        name = type(optimizer).__name__
        raise NotImplementedError(f"{name} does not say how it changes a parameter")
    attrs = known.attrs(optimizer, param, group)
    # The gradient has its penalty already, and a factor of the rate needs no code of its own.
    attrs = {key: value for key, value in attrs.items() if not key.startswith("regularization")}
    rate = lr * attrs.pop("lr_ratio", 1.0)
    array = param.array
    given = {
        "Param": array, "Grad": grad, "LearningRate": np.array([rate], array.dtype),
        **{slot: optimizer.state_of(param, name) for slot, name in known.state.items()},
    }  # fmt: skip
    arrays = [given[slot.name] for slot in get_op(known.type).inputs]
    run = _update(known.type, tuple(attrs.items()), tuple(known.powers.items()), array.dtype.name)
    flat = [one.reshape(-1) for one in arrays]
    run(flat)
    for source, written in zip(arrays, flat, strict=True):
        if not source.flags.c_contiguous and source is not grad:
            source[...] = written.reshape(source.shape)


@lru_cache(maxsize=256)
def _update(type: str, attrs: tuple[Any, ...], powers: tuple[Any, ...], dtype: str) -> Run:
    """Runs an update on flat arrays, in the order of the op's inputs; writes to them."""
    program, overwrites = _program(type, dict(attrs), dict(powers), dtype)
    try:
        from wherry.codegen import jit

        compiled = jit(program, name=type, overwrites=overwrites)
    except CompilerMissingError:
        return lambda arrays: _interpret(program, overwrites, arrays)

    def run(arrays: list[Array]) -> None:
        compiled(arrays)

    return run


def _interpret(program: Program, overwrites: Mapping[int, int], arrays: list[Array]) -> None:
    results, _ = run_program(program, arrays)
    for place, result in enumerate(results):
        arrays[overwrites[place]][...] = result


def _program(
    type: str, attrs: dict[str, Any], powers: Mapping[str, str], dtype: str
) -> tuple[Program, dict[int, int]]:
    """The update of a parameter of any size; which inputs the results are the new values of."""
    program, opdef, element = Program(), get_op(type), as_dtype(dtype)
    block = program.global_block
    inputs = {
        slot.name: block.add_arg(
            slot.name, (1,) if slot.name in SCALARS else (symbol("N"),), element
        )
        for slot in opdef.inputs
    }
    emitter = BlockEmitter(block)
    made = opdef.result_slots(emitter.emit(opdef, list(inputs.values()), attrs))
    found = {slot.removesuffix("Out"): values[0] for slot, values in made.items()}
    for slot, factor in powers.items():
        found[slot] = emitter.scale(inputs[slot], scale=attrs[factor], bias=0.0)
    block.results.extend(found.values())
    places = list(inputs)
    return program, {place: places.index(slot) for place, slot in enumerate(found)}
