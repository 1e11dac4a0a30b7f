"""The tracer: records what run_op is given as OpDescs of a Program.

Eager tensors that the code reads (parameters, buffers, globals) become persistables, by reference;
what is written to them is kept in `current` and assigned at the end of the Program. Sub-blocks of
`cond` and `while` are frames: a value of an outer frame comes in as an argument of the block.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Any

import numpy as np

from wherry.dispatch import VIEW_OPS
from wherry.ir.dims import Dim, symbol, symbols_of
from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OpDef, get_op
from wherry.ir.program import Block, Program, Variable
from wherry.schema.dtypes import as_dtype, bool_
from wherry.schema.errors import ConversionError, Loc
from wherry.tensor import Parameter, Tensor

from ..autograd import grad_enabled
from ..location import user_location
from ..nn.layer import Layer
from ..traced import Traced, ViewOf, refuse_foreign
from .choices import refuse_unclear
from .either import is_either, one_of
from .explain import Decisions
from .facts import Facts
from .found import positions_of
from .gradients import Grads, gradients, register_hook
from .lists import CAPACITY
from .reads import Reads
from .references import References, Site
from .regions import Region
from .sizes import Size, as_tensor, plain
from .state import Journal, Place, TensorPlace, at_line, is_poison
from .views import write_captured, write_through


class Frame:
    """A block that is being built, and its arguments by the outer Variable that they stand for."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.captured: dict[Variable, Variable] = {}
        # The positions of the true elements of masks that were asked for in this block.
        self.found: dict[Variable, Traced] = {}
        # The arguments that a loop carries, with what they are in the first round.
        self.starts: dict[Variable, Variable] = {}
        # The tensors that were written in place or asked for with `is` in this block.
        self.asked: dict[int, weakref.ref[Tensor]] = {}
        # What is known of bool Variables while the block is built.
        self.facts: dict[Variable, bool] = {}

    def owns(self, var: Variable) -> bool:
        """Whether the Variable was made in this block."""
        return self.block.vars.get(var.name) is var


class ProgramTracer:
    """Builds one Program. `open_sizes`: the leading sizes of the inputs are left open;
    `follows_choices`: tensors keep, out of the branches that chose them, when they are which."""

    # Whether the code that is traced is converted, so that it may call static functions.
    converts = True
    # Attributes of every op that is recorded now.
    op_attrs: Mapping[str, Any] | None = None

    def __init__(self, open_sizes: bool = False, kept: frozenset[Site] = frozenset(),
                 follows_choices: bool = True) -> None:  # fmt: skip
        self.program = Program()
        self.open_sizes, self.follows_choices = open_sizes, follows_choices
        self.frames = [Frame(self.program.global_block)]
        self.captured: dict[int, tuple[Tensor, Variable]] = {}
        self.current: dict[int, Traced] = {}
        self.journals: list[Journal] = []
        self.references = References(self.frames, self.journals, kept)
        self.regions: list[Region] = []
        self.inputs: list[Traced] = []
        self.grads, self.reads = Grads(self), Reads(self)
        # The learning rates of optimizers that step, and what a call does first.
        self.rates: dict[Any, Tensor] = {}
        self.before_call: list[Callable[[], None]] = []
        # Tensors that were made in the trace and want a gradient in `.grad`.
        self.inner_leaves: list[Traced] = []
        self.facts, self.has_eithers = Facts(self), False
        self.loops = 0  # on tensors, that the code is in
        self.room: Dim | None = None  # for elements, where a list needs it
        # The variables that a branch read while they had no value.
        self.unset_reads: set[str] = set()
        self.warned: set[Any] = set()
        self.layers: dict[int, Layer] = {}
        self.captured_views: dict[int, list[weakref.ref[Traced]]] = {}
        # What tensors stand for that a write in this line may have changed, it is not known when.
        self.unclear: dict[Variable, Loc | None] = {}
        self.decisions = Decisions()

    # What dispatch calls.

    def run_op(self, opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """Record one op on traced or captured Tensors; returns its traced outputs."""
        if self.converts:
            self.decisions.note_constants()
        variables = [self._slot(value) for value in inputs]
        emitter = BlockEmitter(self.frames[-1].block, user_location(), extra=self.op_attrs)
        found = emitter.emit(
            opdef, variables, {k: plain(v) for k, v in attrs.items()}, self.names_for(opdef)
        )
        result = self._wrap(found)
        if opdef.type in VIEW_OPS:
            for index, view in enumerate(result if isinstance(result, (list, tuple)) else [result]):
                if index == 0 or opdef.type == "unbind":
                    self.note_view(inputs[0], view, opdef.type, {**attrs, "_index": index})
        return result

    def assign(self, target: Tensor, value: Tensor) -> None:
        """From here on `target` stands for `value`; a captured Tensor is written after the call."""
        traced = self.as_traced(value)
        if isinstance(target, Traced):
            write_through(self, target, traced)
            return
        write_captured(self, target, traced)

    def constant(self, array: np.ndarray[Any, Any]) -> Traced:
        """A tensor for data that the code states."""
        dtype = as_dtype(array.dtype)
        if array.size == 1:
            made: Traced = self.emit(
                "fill_constant", shape=list(array.shape), value=array.item(), dtype=dtype
            )
            return made
        return self.traced(self.program.add_constant("constant", array.copy(), dtype))

    def gradients(self, targets: Sequence[Tensor], sources: Sequence[Tensor],
                  target_grads: Sequence[Tensor | None]) -> list[Traced | None]:  # fmt: skip
        """`paddle.grad` while tracing: gradient ops, as a part of the forward Program."""
        return gradients(self, targets, sources, target_grads)

    def register_hook(self, traced: Traced, hook: Any) -> Any:
        """Let a tensor's gradient become what the hook returns."""
        return register_hook(self, traced, hook)

    def convert_call(self, function: Any) -> Any:
        """What a Layer calls instead of its own forward."""
        from .convert_call import convert_call

        layer = getattr(function, "__self__", None) or getattr(function, "_instance", None)
        if isinstance(layer, Layer):
            self.layers[id(layer)] = layer
        return convert_call(function)

    def function(self, name: str) -> AbstractContextManager[None]:
        """Names are the emitter's here."""
        return nullcontext()

    def parameter(self, shape: Any, dtype: Any, attr: Any, owner: str, is_bias: bool,
                  default: Any) -> Any:  # fmt: skip
        """A Layer's parameter as a part of the Program; None where it is data, read anew at each
        call.
        """
        return None

    def names_for(self, opdef: OpDef) -> Mapping[str, Sequence[str]] | None:
        """The names of an op's outputs by slot; None leaves them to the emitter."""
        return None

    # Values.

    def traced(self, var: Variable) -> Traced:
        """The tensor that stands for a Variable."""
        return Traced(var, self)

    def as_traced(self, value: Any) -> Traced:
        """A tensor of this Program for a Tensor, a Size or a number."""
        if is_poison(value):
            value.refuse()
        if is_either(value):
            value = one_of(value, "a tensor")
        if isinstance(value, Traced):
            if value.tracer is not self:
                refuse_foreign(value, self.converts)
            return value
        if isinstance(value, Tensor):
            return self.current_value(value)
        if isinstance(value, Size):
            return self.as_traced(as_tensor(value))
        return self.constant(np.asarray(value))

    def capture(self, tensor: Tensor) -> Variable:
        """The persistable that stands for an eager tensor, which is read anew at each call."""
        found = self.captured.get(id(tensor))
        if found is not None:
            return found[1]
        name = self.program.unique(tensor.name)
        trained = isinstance(tensor, Parameter) and tensor.trainable
        var = self.program.global_block.create_var(
            name, tensor.array.shape, tensor.dtype, persistable=True,
            stop_gradient=tensor.stop_gradient or not tensor.dtype.is_float, trainable=trained,
        )  # fmt: skip
        self.captured[id(tensor)] = tensor, var
        return var

    def current_value(self, tensor: Tensor) -> Traced:
        """What a captured tensor is at this point of the trace."""
        found = self.current.get(id(tensor))
        return self.traced(self.capture(tensor)) if found is None else found

    def capacity(self) -> Dim:
        """How many elements lists have room for whose length depends on a tensor."""
        if self.room is None:
            self.room = self.open_size(CAPACITY)
        return self.room

    def open_size(self, base: str) -> Dim:
        """A size that nobody knows before the call: that of a new, hidden input of its name."""
        name = self.free_size(base)
        size = symbol(name)
        self.program.global_block.add_arg(name, (size,), bool_, is_hidden=True)
        return size

    def free_size(self, base: str) -> str:
        """The name of a size that is new in the Program."""
        shapes = [var.shape for var in self.program.inputs]
        shown = {name for shape in shapes for dim in shape for name in symbols_of(dim)}
        taken = self.program.names | shown | self.program.found.keys()
        return next(name for i in count() if (name := f"{base}_{i}") not in taken)

    def true_positions(self, mask: Tensor) -> Traced:
        """The positions of the true elements in the flattened mask: as many as the run finds."""
        return positions_of(self, self.as_traced(mask))

    def note_view(self, source: Any, view: Any, op_type: str, attrs: dict[str, Any]) -> None:
        """Let writes to `view` go through to `source`, of which it was made, and back."""
        if isinstance(view, Traced) and isinstance(source, Tensor):
            view.base = ViewOf(source, op_type, attrs)
            self.views_of(source).append(weakref.ref(view))

    def views_of(self, source: Tensor) -> list[weakref.ref[Traced]]:
        """The views that were made of a traced or of a captured tensor."""
        if isinstance(source, Traced):
            return source.views
        return self.captured_views.setdefault(id(source), [])

    def set_current(self, tensor: Tensor, value: Any) -> None:
        """Let a captured tensor have this value, whatever is written to the one given later."""
        self.current[id(tensor)] = self.traced(self.as_traced(value).variable)

    def set_stop_gradient(self, traced: Traced, value: bool) -> None:
        """Cut a tensor off the gradient (or let an input onto it)."""
        if value == traced.variable.stop_gradient:
            return
        if value and traced.variable.op is not None:
            with_cut: Traced = self.emit("assign", traced)
            traced.variable = with_cut.variable
        traced.variable.stop_gradient = value or not traced.variable.dtype.is_float
        if not traced.variable.stop_gradient:
            self.inner_leaves.append(traced)

    def variable(self, value: Any) -> Variable:
        """The Variable of a value, as the innermost block sees it."""
        return self.seen_here(self.as_traced(value).variable)

    def seen_here(self, var: Variable) -> Variable:
        """A Variable of an outer block as the innermost block sees it."""
        return self._resolve(var, len(self.frames) - 1)

    def sees(self, var: Variable) -> bool:
        """Whether a Variable belongs to one of the open blocks."""
        return any(frame.owns(var) for frame in self.frames)

    def emit(self, op_type: str, *inputs: Any, **attrs: Any) -> Any:
        """Record an op by its type."""
        return self.run_op(get_op(op_type), inputs, attrs)

    # Blocks.

    @contextmanager
    def sub_block(self) -> Iterator[Frame]:
        """Build in a new block inside; it stays open for `reenter`."""
        frame = Frame(self.program.create_block(self.frames[-1].block))
        with self.reenter(frame):
            yield frame

    @contextmanager
    def reenter(self, frame: Frame) -> Iterator[None]:
        self.frames.append(frame)
        try:
            yield
        finally:
            left = self.frames.pop()
            assert left is frame

    @property
    def in_branch(self) -> bool:
        """Whether code is traced that depends on a tensor."""
        return len(self.frames) > 1

    def note(self, place: Place) -> None:
        """Tell the open journals that a place is about to be written."""
        # All of them keep one object, so that `outlives` can count who else knows of it.
        for journal in self.journals:
            place = journal.note(place)

    def note_tensor(self, traced: Traced) -> None:
        """`note` for a tensor: the blocks in which it was made keep nothing of it."""
        owner = next((i for i, frame in enumerate(self.frames) if frame.owns(traced.variable)), 0)
        first = max(owner + 1 - (len(self.frames) - len(self.journals)), 0)
        place: Place = TensorPlace(traced)
        for journal in self.journals[first:]:
            place = journal.note(place)

    @contextmanager
    def journal(self, root: Frame | None = None) -> Iterator[Journal]:
        """Note what is written inside."""
        journal = Journal(root)
        self.journals.append(journal)
        try:
            yield journal
        finally:
            self.journals.remove(journal)

    @contextmanager
    def undone_on_error(self) -> Iterator[Journal]:
        """Undo what traced code wrote to objects if it raises: it may be traced again."""
        with self.journal(self.frames[0]) as journal:
            try:
                yield journal
            except BaseException:
                journal.undo()
                raise

    def mark(self) -> tuple[int, int, int]:
        """A point to which `discard` can go back."""
        ops = self.frames[-1].block.ops
        return len(self.program.blocks), len(self.program.guards), len(ops)

    def discard(self, mark: tuple[int, int, int]) -> None:
        """Forget the blocks, the guards and the ops of this block made since the mark."""
        blocks, guards, ops = mark
        here = self.frames[-1].block
        for op in here.ops[ops:]:
            for var in op.out_vars:
                self.program.names.discard(here.vars.pop(var.name).name)
        for block in self.program.blocks[blocks:]:
            self.program.names.difference_update(block.vars)
        del self.program.blocks[blocks:], self.program.guards[guards:], here.ops[ops:]

    def finish(self, results: Sequence[Any]) -> None:
        """Set the outputs, and assign what captured tensors became."""
        block = self.program.global_block
        block.results = [self.variable(value) for value in results]
        for key, value in self.current.items():
            target = self.captured[key][1]
            if value.variable is not target:
                self.emit("assign_persistable", value, Traced(target, self))

    def _slot(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, (list, tuple)):
            return [self.variable(one) for one in value]
        return self.variable(value)

    def _wrap(self, found: Any) -> Any:
        if isinstance(found, (list, tuple)):
            return type(found)(self._wrap(one) for one in found)
        if found is None:
            return None
        if not grad_enabled.get():
            found.stop_gradient = True
        return self.traced(found)

    def _resolve(self, var: Variable, depth: int) -> Variable:
        frame = self.frames[depth]
        if frame.owns(var):
            return var
        if var in frame.captured:
            return frame.captured[var]
        if var in self.unclear:
            refuse_unclear(written_at=self.unclear[var])
        if depth == 0:
            raise ConversionError(
                f"the tensor {var.name} was made inside a branch or loop that depends on a "
                f"tensor, and is "
                "used outside of it; assign it to a variable of the function, in both branches, "
                f"or before the loop{at_line()}"
            )
        outer = self._resolve(var, depth - 1)
        arg = frame.block.add_arg(
            self.program.unique(outer.base_name), outer.shape, outer.dtype,
            stop_gradient=outer.stop_gradient,
        )  # fmt: skip
        frame.captured[var] = arg
        return arg
