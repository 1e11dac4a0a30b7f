"""ConcreteProgram: what one trace of a function gives, and the tracing itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from wherry.dispatch import tracing
from wherry.ir.dims import Dim, symbol
from wherry.ir.program import Program, Variable
from wherry.runtime.guesses import Guesses
from wherry.schema.errors import ConversionError
from wherry.tensor import LAST_WRITE, Parameter, Tensor

from ..autograd import grad_mode
from ..observers import told_of_reads, traced_grads
from ..traced import Traced
from .arguments import Arguments, Leaf
from .attributes import AttributePlace
from .choices import NeedsChoices
from .classes import classes_converted
from .convert_call import convert_call
from .either import Deferred, chosen
from .ends import unset_error
from .explain import Decisions
from .generators import NeedsPush
from .leaves import type_of
from .reading import all_readable
from .reads import Read
from .references import NeedsReferences, Site
from .report import user_errors
from .sides import has_effect
from .signals import BranchEnds
from .sizes import Size
from .source import push_generator
from .state import Journal, is_poison, outlives
from .structure import flatten, unflatten
from .tracer import ProgramTracer

# The attribute of an error that tracing raises: a ConcreteProgram of what comes before it.
BEFORE: Final = "_wherry_before"


class ConcreteProgram:
    """A traced function: the Program, the eager tensors that it reads, and the structure of its
    result.

    `outputs` are the Variables of the result in flat order; constants of the result are kept beside
    them. `arguments` are those of the call that was traced.
    """

    arguments: Arguments

    def __init__(self, program: Program, captured: list[tuple[Tensor, Variable]],
                 result: tuple[Any, list[Any]], function: Callable[..., Any]) -> None:  # fmt: skip
        self.main_program = program
        self.captured = captured
        self.structure, self.leaves = result
        self._is_single = self.structure is None and self.leaves[:1] == [OUTPUT]
        self.function = function
        self.tensors = [tensor for tensor, _ in captured]
        # A parameter that was frozen while tracing has no gradient in the Program.
        self.frozen = [tensor.stop_gradient for tensor in self.tensors]
        self._frozen = [t for t, was in zip(self.tensors, self.frozen, strict=True) if was]
        self._stamp = -1
        self._seen = self._as_they_are()
        # After the function's results the Program gives the new values of the inputs `written`.
        self.n_outputs = len(program.outputs)
        self.written: list[int] = []
        # The gradients that a call makes (True: takes away), of an input or of a leaf; then those
        # that were looked at, as they were.
        self.graded: list[tuple[int, Tensor, bool]] = []
        self.grads: list[tuple[Tensor, Tensor | None]] = []
        # The inputs that must have no gradient before a call.
        self.ungraded: list[int] = []
        self.before_call: list[Callable[[], None]] = []
        self.reads: list[Read] = []
        self.guesses = Guesses([var.name for var in program.inputs if var.is_hidden])
        # The Layers that the trace called.
        self.layers: list[Any] = []
        self.decisions = Decisions()

    @property
    def inputs(self) -> list[Variable]:
        return [var for var in self.main_program.inputs if not var.is_hidden]

    @property
    def outputs(self) -> list[Variable]:
        return self.main_program.outputs[: self.n_outputs]

    @property
    def parameters(self) -> list[Tensor]:
        """The captured tensors that are persistable: parameters and buffers."""
        return [tensor for tensor in self.tensors if tensor.persistable]

    @property
    def trained(self) -> list[Tensor]:
        return [t for t in self.tensors if isinstance(t, Parameter) and t.trainable]

    def outdated(self) -> bool:
        """Whether a captured tensor wants a gradient that was cut off, or has another type, or one
        of which Python read the data holds something else.
        """
        if self.grads and self._regraded():
            return True
        stamp = LAST_WRITE.stamp
        # The usual case is told by identity alone, and without any write by one number.
        if self._stamp != stamp:
            if any(read.differs() for read in self.reads):
                return True
            for tensor, array in self._seen:
                if tensor.array is not array:
                    return self._look_closely()
            self._stamp = stamp
        for tensor in self._frozen:
            if not tensor.stop_gradient:
                return self._look_closely()
        return False

    def _look_closely(self) -> bool:
        if self._changed():
            return True
        self._seen = self._as_they_are()
        return False

    def _as_they_are(self) -> list[tuple[Tensor, Any]]:
        self._stamp = LAST_WRITE.stamp
        return [(tensor, tensor.array) for tensor in self.tensors]

    def _regraded(self) -> bool:
        """Whether a leaf whose `.grad` was looked at has another one now."""
        return any(leaf.grad is not grad for leaf, grad in self.grads)

    def _changed(self) -> bool:
        for was, (tensor, var) in zip(self.frozen, self.captured, strict=True):
            if was and not tensor.stop_gradient and var.dtype.is_float:
                return True
            if tensor.array.dtype != var.dtype.numpy or tensor.array.shape != var.shape:
                return True
        return False

    def rebuild(self, values: Sequence[Any]) -> Any:
        """The function's result from the values of `outputs`."""
        if self._is_single:
            return values[0]
        found = iter(values)
        leaves = [next(found) if leaf is OUTPUT else leaf for leaf in self.leaves]
        return chosen(unflatten(self.structure, iter(leaves)))

    def values(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of all persistables by name, as they are now."""
        held = {var.name: tensor.array for tensor, var in self.captured}
        return {**self.main_program.values, **held}

    def __str__(self) -> str:
        return str(self.main_program)


class _Output:
    """Stands in a result for an output of the Program."""


OUTPUT = _Output()


def is_output(leaf: Any) -> bool:
    """Whether a leaf of a result stands for an output of the Program."""
    return leaf is OUTPUT


def trace(function: Callable[..., Any], arguments: Arguments, leaves: Sequence[Leaf],
          open_sizes: bool = False) -> ConcreteProgram:  # fmt: skip
    """Run the converted function on traced inputs and keep what it did as a Program.

    Raises what the user's code raises, with the user's lines in the message, and ConversionError
    for what cannot be converted.
    """
    kept: frozenset[Site] = frozenset()
    follows_choices = False
    while True:
        build = ProgramTracer(open_sizes, kept, follows_choices)
        try:
            return _traced(build, function, arguments, leaves)
        except NeedsReferences as need:
            kept = need.sites
        except NeedsChoices:
            follows_choices = True
        except NeedsPush as need:
            if not push_generator(need.filename, need.place):
                raise ConversionError(
                    f"a tensor decides what a generator yields that was made in an earlier trace "
                    f"({need.filename}:{need.place[0]}); make it in the function that uses it"
                ) from None


def _traced(build: ProgramTracer, function: Callable[..., Any], arguments: Arguments,
            leaves: Sequence[Leaf]) -> ConcreteProgram:  # fmt: skip
    inputs = [Traced(_add_input(build, leaf), build) for leaf in leaves]
    args, kwargs = arguments.rebuilt(inputs)
    # One Program serves calls with and without the tape.
    build.inputs = inputs
    with user_errors(), _modes(build), build.undone_on_error() as journal:
        try:
            result = _called(function, args, kwargs)
        except Exception as error:
            _keep_before(build, error, function)
            raise
        _keep_attributes(build, journal)
        structure, found = _results(build, result)
        results = [leaf for leaf in found if isinstance(leaf, Traced)]
        results = [one.detach() if build.grads.released(one) else one for one in results]
        written, graded = _written_inputs(build, inputs, leaves), build.grads.made()
        made = [value for _, value in graded if value is not None]
        build.finish([*results, *(value for _, value in written), *made])
    flat = [OUTPUT if isinstance(leaf, Traced) else leaf for leaf in found]
    captured = list(build.captured.values())
    concrete = ConcreteProgram(build.program, captured, (structure, flat), function)
    concrete.arguments = arguments
    concrete.n_outputs = len(results)
    concrete.written = [place for place, _ in written]
    concrete.graded = [(_place(leaf, inputs), leaf, grad is None) for leaf, grad in graded]
    concrete.grads = list(build.grads.before.values())
    concrete.ungraded = [place for leaf in build.grads.read if (place := _place(leaf, inputs)) >= 0]
    concrete.before_call, concrete.reads = build.before_call, build.reads.all()
    concrete.layers = list(build.layers.values())
    concrete.decisions = build.decisions
    return concrete


@contextmanager
def _modes(build: ProgramTracer) -> Iterator[None]:
    """What holds while a function is traced."""
    grads, reads = traced_grads.set(build.grads), told_of_reads.set(build.reads.note)
    try:
        with tracing(build), grad_mode(True), classes_converted():
            yield
    finally:
        traced_grads.reset(grads)
        told_of_reads.reset(reads)


def _place(leaf: Tensor, inputs: Sequence[Traced]) -> int:
    """The index of an input; -1 for a tensor that the function reads."""
    return next((i for i, value in enumerate(inputs) if value is leaf), -1)


def _called(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The function's result; None where each call ends with an error, which the Program raises."""
    try:
        return convert_call(function)(*args, **kwargs)
    except BranchEnds:
        return None
    except NameError as error:
        raise unset_error(error).with_traceback(error.__traceback__) from None


def _keep_before(build: ProgramTracer, error: Exception, function: Callable[..., Any]) -> None:
    """Keep with an error what the function does before it raises it, if that may be noticed: it may
    print, or end the call with another error.
    """
    has_effects = any(map(has_effect, build.program.global_block.ops))
    if has_effects and not isinstance(error, ConversionError):
        build.finish([])
        captured = list(build.captured.values())
        before = ConcreteProgram(build.program, captured, (None, [None]), function)
        before.before_call = build.before_call
        setattr(error, BEFORE, before)


def _keep_attributes(build: ProgramTracer, journal: Journal) -> None:
    """Attributes that held a tensor and were given another (`self.state = self.state + 1`).

    The tensor that they held stays, and is written by each call.
    """
    for place, before in list(journal.first.values()):
        after = place.get()
        held = isinstance(place, AttributePlace) and isinstance(before, Tensor)
        if (
            isinstance(place, AttributePlace)
            and type(before) in (bool, int, float, str)
            and outlives(place, before)
        ):
            _warn_of_state(place, before, after)
        if not held or not isinstance(after, Traced) or isinstance(before, Traced):
            continue
        if type_of(after) != type_of(before):
            raise ConversionError(
                f"{place.label} is {type_of(before)} before the call and {type_of(after)} after "
                "it; a tensor that a static function keeps must keep its shape and dtype"
            )
        build.assign(before, after)
        place.set(before)


def _warn_of_state(place: AttributePlace, before: Any, after: Any) -> None:
    """A Python attribute that the code changes: that is done while tracing, not by each call."""
    if isinstance(after, (bool, int, float, str)) and after != before:
        logging.getLogger("wherry.jit").warning(
            "%s changes from %r to %r while a static function is traced: its calls run the "
            "Program, which keeps %r. Keep it in a tensor (register_buffer) if each call is to "
            "change it.", place.label, before, after, after,
        )  # fmt: skip


def _written_inputs(
    build: ProgramTracer, inputs: Sequence[Traced], leaves: Sequence[Leaf]
) -> list[tuple[int, Traced]]:
    """The inputs that the function wrote in place, with their new values."""
    written = []
    for place, (value, var) in enumerate(zip(inputs, build.program.inputs, strict=False)):
        if value.variable is var:
            continue
        if not var.stop_gradient and not leaves[place].is_spec:
            raise ConversionError(
                f"the argument {var.name} wants a gradient and is written in place in a function "
                "that to_static converts; write to a copy of it, x.clone()"
            )
        written.append((place, value.detach()))
    return written


def _add_input(build: ProgramTracer, leaf: Leaf) -> Variable:
    program = build.program
    return program.global_block.add_arg(
        program.unique(leaf.name), leaf.dims, leaf.dtype, is_data=True,
        stop_gradient=leaf.stop_gradient or not leaf.dtype.is_float,
    )  # fmt: skip


def _results(build: ProgramTracer, result: Any) -> tuple[Any, list[Any]]:
    structure, leaves = flatten(all_readable(result))
    found: list[Any] = []
    for leaf in leaves:
        if is_poison(leaf):
            leaf.refuse_result()
        if isinstance(leaf, Deferred):
            leaf = leaf.made(build, leaf.type.dtype)
        elif isinstance(leaf, (Tensor, Size)):
            leaf = build.as_traced(leaf)
        elif _holds_traced(leaf):
            raise ConversionError(
                f"the function returns a {type(leaf).__name__} that holds tensors; return tensors "
                "in lists, tuples and dicts"
            )
        found.append(leaf)
    return structure, found


def _holds_traced(value: Any) -> bool:
    """Whether an object that is no container of ours has a traced tensor among its attributes."""
    inside = getattr(value, "__dict__", None)
    return isinstance(inside, dict) and any(isinstance(one, Traced) for one in inside.values())


def dims_of_spec(name: str, dims: Sequence[Any]) -> tuple[Dim, ...]:
    """The dims of an InputSpec: a symbol for each size that is not known."""
    base = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    if not base.isidentifier():
        base = f"d{base}"
    found: list[Dim] = []
    for axis, dim in enumerate(dims):
        if isinstance(dim, str):
            found.append(symbol(dim))
        else:
            found.append(symbol(f"{base}_{axis}") if dim < 0 else int(dim))
    return tuple(found)
