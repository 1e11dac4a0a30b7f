"""Gradients inside of a function that is traced: `paddle.grad`, hooks, `backward()` and `.grad`.

They are ops of the Program. The gradient that a leaf keeps in `.grad` is a place like a buffer: a
Tensor that is there is written by each call; one that is not there is made by it. Which of them are
there is a part of the function's signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir.gradients import append_backward
from wherry.ir.program import OpDesc, Variable
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..traced import Traced
from .either import is_either, lift
from .inner_gradients import InnerPath
from .state import at_line

if TYPE_CHECKING:
    from .tracer import Frame, ProgramTracer

Hook = Callable[[Any], Any]


def gradients(build: ProgramTracer, targets: Sequence[Tensor], sources: Sequence[Tensor],
              target_grads: Sequence[Tensor | None]) -> list[Traced | None]:  # fmt: skip
    """The gradients of the targets by the sources, appended to the block that is being built."""
    block = build.frames[-1].block
    before = len(block.ops)
    given = [None if grad is None else build.variable(grad) for grad in target_grads]
    ends = [build.as_traced(one).variable for one in targets]
    starts = [build.as_traced(one).variable for one in sources]
    if build.in_branch:
        path = InnerPath(build, starts, ends)
        ends, starts = [path.here(var) for var in ends], [path.here(var) for var in starts]
    found = append_backward(build.program, ends, given, starts, block=block)
    for op in block.ops[before:]:
        op.attrs.pop("op_role", None)
    return [None if var is None else build.traced(var) for var in found]


class TracedHook:
    """Returned by `register_hook`; `remove()` takes the hook out of the Program."""

    def __init__(self, frame: Frame, op: OpDesc, build: ProgramTracer) -> None:
        self.frame, self.op, self.build = frame, op, build

    def remove(self) -> bool:
        """Take the hook away; False if it was gone."""
        if self.build.frames[-1] is not self.frame:
            raise ConversionError(
                "a hook is removed where it was registered: in the same branch, loop or call of "
                f"the function that to_static converts{at_line()}"
            )
        if self.op not in self.frame.block.ops:
            return False
        self.frame.block.ops.remove(self.op)
        return True


def register_hook(build: ProgramTracer, tensor: Traced, hook: Hook) -> TracedHook:
    """Let the tensor's gradient become what `hook(gradient)` returns, if that is not None."""
    from .convert_call import convert_call

    var, outer = tensor.variable, build.frames[-1]
    if var.stop_gradient:
        raise RuntimeError("Cannot register hook on a tensor that stop gradient.")
    if not outer.owns(var):
        raise ConversionError(
            "register_hook in a branch or loop on a tensor, on a tensor that was made outside of "
            f"it, is not converted; register it where the tensor is made{at_line()}"
        )
    with build.journal() as journal:
        with build.sub_block() as frame:
            name = build.program.unique(f"{var.name}@GRAD.in")
            grad = build.traced(frame.block.add_arg(name, var.shape, var.dtype))
            found = convert_call(hook)(grad)
            result = lift(found, lambda one: grad if one is None else one)
            frame.block.results = [build.variable(result)]
        written = [place.label for place, _ in journal.first.values()]
        journal.undo()
    if written:
        raise ConversionError(
            f"a hook in a function that to_static converts is a part of the backward Program: it "
            f"cannot write {', '.join(written)}; let it return the gradient, or register it on an "
            f"argument or on the result of the function{at_line()}"
        )
    extra = [build.traced(one) for one in frame.captured]
    build.emit("gradient_hook", tensor, extra, block=frame.block)
    return TracedHook(outer, outer.block.ops[-1], build)


class GradPlace:
    """The `.grad` of a leaf."""

    def __init__(self, grads: Grads, leaf: Tensor) -> None:
        self.grads, self.leaf, self.label = grads, leaf, f"the gradient of {leaf.name}"

    @property
    def key(self) -> Any:
        return "grad", id(self.leaf)

    def get(self) -> Any:
        return self.grads.held(self.leaf)

    def set(self, value: Any) -> None:
        self.grads.now[id(self.leaf)] = self.leaf, value


class Grads:
    """What the `.grad` of each leaf is at this point of the trace.

    `before` holds those that the trace looked at, as they were; `now` those that it changed.
    """

    def __init__(self, build: ProgramTracer) -> None:
        self.build = build
        self.before: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.now: dict[int, tuple[Tensor, Any]] = {}
        # The arguments whose gradient the code looks at: they must not have one before the call.
        self.read: list[Traced] = []
        # The tensors that backward() computed a gradient of, whose graph is gone.
        self.done: list[Variable] = []

    def get(self, leaf: Tensor) -> Any:
        """What `.grad` gives: the gradient, or None."""
        if isinstance(leaf, Traced):
            self.read.append(leaf)
        return self.held(leaf)

    def held(self, leaf: Tensor) -> Any:
        """The gradient, or None; that of an argument is what the function itself adds to it."""
        if id(leaf) in self.now:
            return self.now[id(leaf)][1]
        if isinstance(leaf, Traced):
            return None
        return self.before.setdefault(id(leaf), (leaf, leaf.kept_grad()))[1]

    def set(self, leaf: Tensor, value: Any) -> None:
        """Let the gradient be a tensor or None; one that is there already is written."""
        held = self.held(leaf)
        if isinstance(held, Tensor) and isinstance(value, Tensor):
            self.build.assign(held, value)
            return
        self.build.note(GradPlace(self, leaf))
        self.now[id(leaf)] = leaf, value

    def clear(self, leaf: Tensor, set_to_zero: bool) -> None:
        """`clear_gradient`."""
        held = self.held(leaf)
        if held is None or not set_to_zero:
            self.set(leaf, None)
            return
        like = self.build.as_traced(held).variable
        self.set(leaf, self.build.emit("fill_constant", shape=list(like.shape), value=0.0,
                                       dtype=like.dtype))  # fmt: skip

    def backward(self, loss: Traced, grad: Tensor | None, retain_graph: bool) -> None:
        """Add the gradients of the loss to those of the leaves."""
        leaves = self._leaves()
        found = gradients(self.build, [loss], leaves, [grad])
        for leaf, new in zip(leaves, found, strict=True):
            if new is None:
                continue
            new.variable.stop_gradient = True
            held = self.held(leaf)
            self.set(leaf, new if held is None else self.build.emit("elementwise_add", held, new))
        if not retain_graph:
            self.done.append(loss.variable)

    def _leaves(self) -> list[Tensor]:
        """The inputs and the captured tensors that want a gradient."""
        captured = [
            tensor for tensor, var in self.build.captured.values()
            if var.dtype.is_float and not tensor.stop_gradient
        ]  # fmt: skip
        made = [*self.build.inputs, *self.build.inner_leaves]
        seen = {id(one): one for one in made if self.build.sees(one.variable)}
        return [*(one for one in seen.values() if not one.variable.stop_gradient), *captured]

    def made(self) -> list[tuple[Tensor, Any]]:
        """The gradients that the call makes or takes away, with their leaves."""
        found = []
        for leaf, value in self.now.values():
            if is_either(value):
                raise ConversionError(
                    f"{leaf.name}.grad is None or a tensor after the function, which a tensor "
                    "decides at the call; let every branch compute it, or clear it to zeros before"
                )
            if value is not None or self.before.get(id(leaf), (leaf, None))[1] is not None:
                found.append((leaf, value))
        return found

    def released(self, value: Traced) -> bool:
        """Whether backward() has freed the graph of this result."""
        graph = _ancestors(self.done)
        return any(var in graph for var in _ancestors([value.variable]))


def _ancestors(variables: Sequence[Variable]) -> set[Variable]:
    """What these were computed from by ops that a gradient goes through."""
    found: set[Variable] = set()
    stack = [var for var in variables if var.op is not None and not var.stop_gradient]
    while stack:
        var = stack.pop()
        if var not in found:
            found.add(var)
            assert var.op is not None
            stack += [v for v in var.op.in_vars if v.op is not None and not v.stop_gradient]
    return found
