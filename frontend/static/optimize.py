"""Optimizers in static mode: their steps are ops of the Program, after those of the gradients.

What a step keeps (moments, velocities) are persistables; the startup Program gives them their first
values. The learning rate is one, too: a scheduler's value of now is written before each run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OpDef, get_op
from wherry.schema.dtypes import float32

from ..location import user_location
from ..optimizer import more_rules, rules
from ..optimizer.optimizer import Group
from ..regularizer import L2Decay
from ..unique_name import generate
from .adjust import clipped, decayed
from .block import Operator
from .parameters import make_state
from .tracer import OPTIMIZE_ROLE, StaticTracer
from .training import Pairs, append_backward
from .variable import Variable

if TYPE_CHECKING:
    from ..jit.tracer import ProgramTracer
    from ..optimizer.optimizer import Optimizer


class Update(NamedTuple):
    """The op of an optimizer: its state by slot, and its attributes for a parameter."""

    type: str
    state: Mapping[str, str]
    attrs: Callable[[Any, Any, Group], dict[str, Any]]


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
        lambda o, p, g: _betas(o),
    ),
    more_rules.Adadelta: Update(
        "adadelta",
        {"AvgSquaredGrad": "_avg_squared_grad", "AvgSquaredUpdate": "_avg_squared_update"},
        lambda o, p, g: {"rho": o._rho, "epsilon": o._epsilon},
    ),
    more_rules.Lamb: Update("lamb", _MOMENTS, _lamb),
}  # fmt: skip


def minimize(
    optimizer: Optimizer, loss: Any, parameters: Any = None, no_grad_set: Any = None
) -> tuple[list[Operator], Pairs]:
    """Append the gradients of the loss and the optimizer's step; returns the step's ops, and the
    (parameter, gradient) pairs.
    """
    chosen = parameters or optimizer._parameter_list or None
    pairs = append_backward(loss, chosen, no_grad_set)
    return apply_gradients(optimizer, pairs), pairs


def apply_gradients(optimizer: Optimizer, pairs: Sequence[Any]) -> list[Operator]:
    """Append the step of an optimizer with these (parameter, gradient) pairs; returns its ops."""
    found = sorted([pair for pair in pairs if pair[1] is not None], key=lambda pair: pair[0].name)
    if not found:
        raise ValueError(
            "an optimizer's step needs (parameter, gradient) pairs, but there are none: does the "
            "loss depend on a parameter that is trained?"
        )
    return _StaticStep(optimizer, found[0][1].tracer).ops(found)


class Step:
    """One step of an optimizer being appended; where its state is kept the subclasses know."""

    def __init__(self, optimizer: Optimizer, tracer: ProgramTracer) -> None:
        self.optimizer, self.tracer = optimizer, tracer
        self.update = _update_of(optimizer)

    def append(self, pairs: Sequence[Any]) -> None:
        """Append the updates of the parameters in these (parameter, gradient) pairs."""
        for group in self.optimizer._groups:
            mine = [(param, grad) for param, grad in pairs if self._group_of(param) is group]
            changed = [
                (param, self._decayed(param, grad, group))
                for param, grad in clipped(self.tracer, group.grad_clip, mine)
            ]
            for param, grad in changed:
                self._one(param, grad, group)

    def emitted(self, opdef: OpDef, inputs: list[Any], attrs: dict[str, Any],
                targets: dict[str, Any]) -> Any:  # fmt: skip
        """Append the update's op, whose outputs are the new values of the targets."""
        raise NotImplementedError

    def state(self, param: Any, name: str) -> Any:
        """What the optimizer keeps for a parameter."""
        raise NotImplementedError

    def common_rate(self) -> Any:
        """The learning rate of all parameters."""
        raise NotImplementedError

    def _group_of(self, param: Any) -> Group:
        """The settings for a parameter; those of the first group for what no group names."""
        groups = self.optimizer._groups
        named = (g for g in groups if any(one.name == param.name for one in g.params))
        return next(named, groups[0])

    def _decayed(self, param: Any, grad: Any, group: Group) -> Any:
        """The gradient with the penalty's, unless the update itself adds it."""
        if "regularization_method" in self.update.attrs(self.optimizer, param, group):
            return grad
        penalty, value = self.optimizer.penalty(param, group), self.tracer.as_traced(param)
        return decayed(self.tracer, penalty, value, grad)

    def _one(self, param: Any, grad: Any, group: Group) -> None:
        """Append the update of one parameter, and store what it gives."""
        optimizer, opdef = self.optimizer, get_op(self.update.type)
        attrs = self.update.attrs(optimizer, param, group)
        state = {slot: self.state(param, name) for slot, name in self.update.state.items()}
        values = {"Param": param, "Grad": grad, "LearningRate": self._rate(param, group), **state}
        targets = {slot.name: values[slot.name.removesuffix("Out")] for slot in opdef.outputs}
        inputs = [self.tracer.variable(values[slot.name]) for slot in opdef.inputs]
        made = opdef.result_slots(self.emitted(opdef, inputs, attrs, {**targets, "Grad": grad}))
        for slot, target in targets.items():
            self._store(target, self.tracer.traced(made[slot][0]))
        if self.update.type == "adamax":
            power = state["Beta1Pow"]
            self._store(power, self.tracer.emit("scale", power, scale=attrs["beta1"], bias=0.0))

    def _store(self, target: Any, value: Any) -> None:
        value.variable.stop_gradient = target.stop_gradient
        self.tracer.assign(target, value)

    def _rate(self, param: Any, group: Group) -> Any:
        """The learning rate of a parameter."""
        own = group.learning_rate * param.optimize_attr.get("learning_rate", 1.0)
        rate = self.common_rate()
        return rate if own == 1.0 else self.tracer.emit("scale", rate, scale=own, bias=0.0)


class _StaticStep(Step):
    """A step whose state are persistables of a static Program."""

    tracer: StaticTracer

    def __init__(self, optimizer: Optimizer, tracer: StaticTracer) -> None:
        super().__init__(optimizer, tracer)
        self.program = tracer.owner
        self.tensors = self.program.tensors()

    def ops(self, pairs: Sequence[Any]) -> list[Operator]:
        """Append the step; returns the ops of its updates."""
        block = self.tracer.program.global_block
        before = len(block.ops)
        with self.tracer.role(OPTIMIZE_ROLE):
            self.append([(self.tensors.get(param.name, param), grad) for param, grad in pairs])
        made = [Operator(op, self.program.global_block()) for op in block.ops[before:]]
        return [op for op in made if op.type == self.update.type]

    def emitted(self, opdef: OpDef, inputs: list[Any], attrs: dict[str, Any],
                targets: dict[str, Any]) -> Any:  # fmt: skip
        pair = [targets["ParamOut"].name, targets.pop("Grad").name]
        role = {"op_role": OPTIMIZE_ROLE, "op_role_var": pair}
        emitter = BlockEmitter(self.tracer.program.global_block, user_location(), extra=role)
        names = {slot: [self._next_name(target.name)] for slot, target in targets.items()}
        return emitter.emit(opdef, inputs, attrs, names)

    def _next_name(self, name: str) -> str:
        """`w@1`: what prints as `w`, as the value of the parameter w after the step."""
        known, version = self.tracer.program.names, 1
        while f"{name}@{version}" in known:
            version += 1
        return f"{name}@{version}"

    def state(self, param: Any, name: str) -> Variable:
        shape = [1] if name in self.optimizer.scalars else [int(size) for size in param.shape]
        value = self.optimizer.accumulators[name]
        full = generate(f"{param.name}_{name}")
        return make_state(self.tracer, full, shape, param.dtype, value)

    def common_rate(self) -> Variable:
        """One persistable for each optimizer and Program."""
        rates = self.program.rates
        name = next((name for name, owner in rates.items() if owner is self.optimizer), None)
        if name is None:
            name = generate("learning_rate")
            rates[name] = self.optimizer
            return make_state(self.tracer, name, [], float32, self.optimizer.get_lr())
        return self.tracer.traced(self.tracer.program.global_block.vars[name])


def _update_of(optimizer: Optimizer) -> Update:
    """The op of an optimizer. TypeError for a class whose `update` works on arrays."""
    kind = type(optimizer)
    for known, update in UPDATES.items():
        if isinstance(optimizer, known) and kind.update is known.update:
            return update
    raise TypeError(
        f"{kind.__name__} changes arrays, which a Program cannot: use one of paddle.optimizer's "
        f"({', '.join(one.__name__ for one in UPDATES)}) in static mode"
    )
