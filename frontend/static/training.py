"""Training in static mode: gradients as ops of the Program, and optimizers that follow its runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir import program as ir
from wherry.ir.backward import append_backward as append_gradients
from wherry.schema.errors import ConversionError

from ..param_attr import ParamAttr
from ..tensor import Array, Parameter, Tensor
from .program import Program, StaticTracer
from .variable import Variable

if TYPE_CHECKING:
    from ..optimizer.optimizer import Optimizer

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
    found = append_gradients(program, [loss.variable], None, wrt)
    _mark_roles(loss.variable, program.global_block.ops[before:])
    return [
        (tracer.traced(var), tracer.traced(grad))
        for var, grad in zip(wrt, found, strict=True) if grad is not None
    ]  # fmt: skip


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
    found = append_gradients(tracer.program, [one.variable for one in ends], given, wrt)
    return [
        None if grad is None or var.name in without else tracer.traced(grad)
        for var, grad in zip(wrt, found, strict=True)
    ]


class Step:
    """An optimizer's step after each run of a Program, by the gradients that the run gave.

    The gradients are compiled code; the update is the optimizer's own, the same as in dynamic mode.
    """

    def __init__(
        self, optimizer: Optimizer, pairs: Sequence[tuple[str, str]], attrs: dict[str, ParamAttr]
    ) -> None:
        self.optimizer, self.pairs, self.attrs = optimizer, list(pairs), attrs
        self.own: dict[str, Parameter] = {}

    def __call__(self, find: Callable[[str], Tensor], grads: Sequence[Array]) -> None:
        """Change the parameters that `find` gives by name, in their order in `pairs`."""
        params = [self._parameter(name, find(name)) for name, _ in self.pairs]
        self.optimizer.use(params)
        for param, grad in zip(params, grads, strict=True):
            param.grad = Tensor(grad)
        self.optimizer.step()
        for param in params:
            param.grad = None

    def _parameter(self, name: str, value: Tensor) -> Parameter:
        """The parameter that optimizers know, on the memory of the value."""
        if isinstance(value, Parameter):
            return value
        if name not in self.own:
            made = self.own[name] = Parameter(value.array, name=name)
            attr = self.attrs.get(name) or ParamAttr()
            made.optimize_attr = {"learning_rate": attr.learning_rate}
            made.regularizer, made.need_clip = attr.regularizer, attr.need_clip
        self.own[name].array = value.array
        return self.own[name]


def minimize(
    optimizer: Optimizer, loss: Any, parameters: Any = None, no_grad_set: Any = None
) -> tuple[list[Any], Any]:
    """Append the gradients, and let each run of the Program end with a step of the optimizer."""
    chosen = parameters or optimizer._parameter_list or None
    pairs = append_backward(loss, chosen, no_grad_set)
    program = loss.tracer.program
    assert isinstance(program, Program)
    names = [(param.name, grad.name) for param, grad in pairs]
    program.steps.append(Step(optimizer, names, program.attrs))
    return [], pairs


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


__all__ = ["Step", "append_backward", "gradients", "minimize"]
