"""The tracer of static mode: every function that runs appends its ops to a Program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from wherry.ir import program as ir
from wherry.ir.opdef import OpDef
from wherry.schema.errors import ConversionError
from wherry.tensor import Tensor

from ..jit.state import at_line, is_poison, need_one
from ..jit.tracer import Frame, ProgramTracer
from ..traced import Traced
from ..unique_name import generate
from .names import OutputNames, output_names
from .variable import Parameter, Variable

if TYPE_CHECKING:
    from .program import Program

OPTIMIZE_ROLE = 2
# Constants of more elements are stored beside the ops.
_LARGE = 4096


class StaticTracer(ProgramTracer):
    """Records ops into a Program that stays open. Its values are Variables, named as Paddle's.

    `stored` says what persistables of the Program have become: reading one gives what was written
    last, and a run ends with what stands here.
    """

    converts = False

    def __init__(self, owner: Program, desc: ir.Program) -> None:
        super().__init__()
        self.owner, self.program = owner, desc
        self.frames = [Frame(desc.global_block)]
        self.stored: dict[ir.Variable, ir.Variable] = {}
        self.layer: str | None = None
        self.indexed: str | None = None
        # Counts the writes to persistables, so that a run can tell whether the Program changed.
        self.writes = 0

    @contextmanager
    def naming(self, layer: str) -> Iterator[None]:
        """Name what is made inside after a layer: `fc_0.tmp` gives `fc_0.tmp_0`, ..."""
        outer, self.layer = self.layer, self.layer or layer
        try:
            yield
        finally:
            self.layer = outer

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Name what is made inside after a part of a layer, whose own names go on afterwards."""
        outer, self.layer = self.layer, name
        try:
            yield
        finally:
            self.layer = outer

    @contextmanager
    def indexing(self, name: str) -> Iterator[None]:
        """Name the slices that are taken inside after the Variable: `x_slice_0`."""
        outer, self.indexed = self.indexed, name
        try:
            yield
        finally:
            self.indexed = outer

    def function(self, name: str) -> AbstractContextManager[None]:
        """Name what is made inside after a function, unless it is part of a layer."""
        return nullcontext() if self.layer else self.naming(f"{generate(name)}.tmp")

    @contextmanager
    def role(self, op_role: int) -> Iterator[None]:
        """Mark the ops that are made inside: what belongs to an optimizer is no part of a test."""
        outer, self.op_attrs = self.op_attrs, {"op_role": op_role}
        try:
            yield
        finally:
            self.op_attrs = outer

    def run_op(self, opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """Record one op; a copy of data of dynamic mode is the data themselves."""
        if opdef.type == "assign" and self._is_data(inputs[0]):
            return self.current_value(inputs[0])
        lists = {k: list(v) if isinstance(v, tuple) else v for k, v in attrs.items()}
        return super().run_op(opdef, inputs, lists)

    def _is_data(self, value: Any) -> bool:
        """Whether it is a Tensor that no Layer holds: it comes into the Program as a constant."""
        plain = isinstance(value, Tensor) and not isinstance(value, Traced)
        return plain and not value.persistable and id(value) not in self.captured

    def current_value(self, tensor: Tensor) -> Traced:
        """What a tensor of dynamic mode is at this point: a Layer's is read at each run."""
        if not self._is_data(tensor):
            return super().current_value(tensor)
        array, dtype = tensor.array, tensor.dtype
        if array.size > _LARGE:
            return self.traced(self.program.add_constant("constant", array.copy(), dtype))
        found: Traced = self.emit(
            "assign_value", shape=list(array.shape), dtype=dtype, values=array.ravel().tolist()
        )
        return found

    def names_for(self, opdef: OpDef) -> Mapping[str, OutputNames]:
        """The names of an op's outputs."""
        return output_names(self.program, opdef, self.layer, self.indexed)

    def convert_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A Layer's forward runs as it is: static mode converts no Python."""
        return function

    def parameter(self, shape: Any, dtype: Any, attr: Any, owner: str, is_bias: bool,
                  default: Any) -> Any:  # fmt: skip
        """A Layer's parameter: one of the Program, with its first value in the startup Program."""
        from .parameters import make_parameter

        return make_parameter(self, owner, shape, dtype, attr, is_bias, default)

    def traced(self, var: ir.Variable) -> Variable:
        return self.owner.variable_of(var)

    def as_traced(self, value: Any) -> Traced:
        """A tensor of this Program; a persistable is what was written to it last."""
        if isinstance(value, Traced) and not is_poison(value) and value.tracer is not self:
            return self._of_another_program(value)
        traced = super().as_traced(value)
        new = self.stored.get(traced.variable)
        return traced if new is None else self.traced(new)

    def _of_another_program(self, value: Traced) -> Traced:
        """The Variable of this Program that has the other one's name and type."""
        known = self.program.global_block.vars.get(value.name)
        if known is None or known.type != value.variable.type:
            raise ConversionError(
                f"{value!r} belongs to another Program, and this one has no Variable of that name; "
                f"build it inside the same paddle.static.program_guard{at_line()}"
            )
        return self.as_traced(self.traced(known))

    def assign(self, target: Tensor, value: Tensor) -> None:
        """From here on `target` stands for `value`; a persistable gets it at the end of the run."""
        self.writes += 1
        if isinstance(target, Traced) and target.variable.persistable:
            self.note(StoredPlace(self, target.variable))
            self.stored[target.variable] = self.as_traced(value).variable
        else:
            super().assign(target, value)


class StoredPlace:
    """What a persistable of the Program has become so far."""

    def __init__(self, tracer: StaticTracer, var: ir.Variable) -> None:
        self.tracer, self.var, self.label = tracer, var, f"the Variable {var.name}"

    @property
    def key(self) -> Any:
        return "stored", self.var

    def get(self) -> Any:
        return self.tracer.traced(self.tracer.stored.get(self.var, self.var))

    def set(self, value: Any) -> None:
        need_one(value, self.label)
        # What it was is the persistable itself, not what was written to it since.
        traced = value if isinstance(value, Traced) else self.tracer.as_traced(value)
        self.tracer.stored[self.var] = traced.variable


__all__ = ["OPTIMIZE_ROLE", "Parameter", "StaticTracer", "StoredPlace"]
