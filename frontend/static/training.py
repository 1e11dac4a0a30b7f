"""Gradients in static mode: ops of the Program, after those that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.ir import program as ir
from wherry.ir.gradients import BACKWARD_ROLE
from wherry.ir.gradients import append_backward as append_gradients
from wherry.schema.errors import ConversionError

from .tracer import StaticTracer
from .variable import Variable

_LOSS_ROLE = 256
Pairs = list[tuple[Variable, Variable]]


def append_backward(
    loss: Variable,
    parameter_list: Sequence[Any] | None = None,
    no_grad_set: Any = None,
    callbacks: Any = None,
    checkpoints: Any = None,
) -> Pairs:
    """Append what computes the gradients of the loss; returns (parameter, gradient) pairs.

    All parameters that the loss depends on, or those of `parameter_list`, without those of
    `no_grad_set` (Variables or names). Raises ValueError for a loss of several elements.
    """
    tracer = _open_tracer(loss, "append_backward")
    if any(dim != 1 for dim in loss.variable.shape):
        raise ValueError(
            f"The loss of append_backward should be a Variable of one element, but received "
            f"{loss!r}; take its mean or sum"
        )
    program = tracer.program
    chosen = _names(parameter_list) if parameter_list is not None else None
    without = _names(no_grad_set or ())
    wrt = [
        var for var in program.persistables
        if var.trainable and not var.stop_gradient and var.name not in without
        and (chosen is None or var.name in chosen)
    ]  # fmt: skip
    before = len(program.global_block.ops)
    # What was built after an optimizer's step reads the parameters as that left them.
    stepped = {var: tracer.stored[var] for var in wrt if var in tracer.stored}
    ends = [*wrt, *stepped.values()]
    found = append_gradients(program, [loss.variable], None, ends, all_named=True)
    _mark_roles(loss.variable, program.global_block.ops[before:])
    grads = dict(zip(ends, found, strict=True))
    pairs = [
        (var, _sum_of(tracer, [grads[one] for one in (var, stepped.get(var)) if one is not None]))
        for var in wrt
    ]
    return [(tracer.traced(var), grad) for var, grad in pairs if grad is not None]


def _sum_of(tracer: StaticTracer, parts: Sequence[ir.Variable | None]) -> Variable | None:
    found = [tracer.traced(part) for part in parts if part is not None]
    if len(found) == 2:
        with tracer.role(BACKWARD_ROLE):
            total: Variable = tracer.emit("elementwise_add", *found)
            return total
    return found[0] if found else None


def gradients(
    targets: Any, inputs: Any, target_gradients: Any = None, no_grad_set: Any = None
) -> list[Variable | None]:
    """The gradients of the targets' sum with respect to the inputs, None where there is none.

    `target_gradients` are the gradients that come in, ones by default.
    """
    ends, starts = _listed(targets), _listed(inputs)
    tracer = _open_tracer(ends[0], "gradients")
    given = None if target_gradients is None else [
        None if one is None else one.variable for one in _listed(target_gradients)
    ]  # fmt: skip
    if given is not None and len(given) != len(ends):
        raise ValueError(
            "Should have the same number of target_gradients as targets, got "
            f"{len(given)} and {len(ends)}"
        )
    without = _names(no_grad_set or ())
    wrt = [one.variable for one in starts]
    found = append_gradients(
        tracer.program, [one.variable for one in ends], given, wrt, all_named=True
    )
    return [
        None if grad is None or var.name in without else tracer.traced(grad)
        for var, grad in zip(wrt, found, strict=True)
    ]


def _open_tracer(value: Any, what: str) -> StaticTracer:
    if not isinstance(value, Variable):
        raise TypeError(
            f"{what} needs a Variable of static mode, but received {type(value).__name__}"
        )
    if value.tracer.in_branch:
        raise ConversionError(f"{what} inside a branch or loop of a Program is not supported")
    return value.tracer


def _mark_roles(loss: ir.Variable, made: Sequence[ir.OpDesc]) -> None:
    """As Paddle marks them: the loss's op 256, the op that starts the gradients 257."""
    if loss.op is not None:
        loss.op.attrs["op_role"] = _LOSS_ROLE
    if made and made[0].type == "fill_constant":
        made[0].attrs["op_role"] = _LOSS_ROLE + 1


def _names(given: Any) -> set[str]:
    return {one if isinstance(one, str) else one.name for one in given}


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]
