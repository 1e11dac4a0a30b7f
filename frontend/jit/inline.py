"""A loaded Program as a part of one that is being traced: its ops are recorded again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir.dims import Dim, SymDim, dim_max, evaluate, never_equal, product, substitute
from wherry.ir.found import CHECK, branch_sizes, found_by, loop_sizes
from wherry.ir.infer import Guard, show
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.schema.errors import ConversionError, InputError
from wherry.tensor import Tensor

from ..location import user_location
from ..traced import Traced
from .found import new_size
from .lists import CAPACITY
from .state import at_line

if TYPE_CHECKING:
    from .tracer import ProgramTracer


def inline(
    tracer: ProgramTracer, program: Program, tensors: Mapping[str, Tensor], values: Sequence[Any]
) -> list[Traced]:
    """Record the Program on these inputs; returns its outputs.

    `tensors` are its persistables. InputError names the input whose shape or dtype does not fit.
    """
    given = [tracer.as_traced(value) for value in values]
    work = _Inlined(tracer, tensors)
    shown = [var for var in program.inputs if not var.is_hidden]
    for var, value in zip(shown, given, strict=True):
        work.bind(var, value)
    work.hide([var for var in program.inputs if var.is_hidden])
    work.guards(program.guards)
    work.ops(program.global_block)
    return [work.value(var) for var in program.outputs]


class _Inlined:
    """The traced values by the Variables of the loaded Program, and the sizes by its symbols."""

    def __init__(self, tracer: ProgramTracer, tensors: Mapping[str, Tensor]) -> None:
        self.tracer, self.tensors = tracer, tensors
        self.values: dict[Variable, Traced] = {}
        self.sizes: dict[str, Dim] = {}

    def bind(self, var: Variable, value: Traced) -> None:
        """Let an input be this value."""
        found = value.variable
        if found.dtype is not var.dtype or found.ndim != var.ndim:
            self._refuse(var, found)
        for dim, size in zip(var.shape, found.shape, strict=True):
            if isinstance(dim, SymDim) and str(dim) not in self.sizes:
                self.sizes[str(dim)] = size
                continue
            wanted = self.dim(dim)
            if never_equal(wanted, size):
                self._refuse(var, found)
            message = f"input '{var.name}' of a loaded model needs the shape {show(var.shape)}"
            self._guard(Guard(wanted, "==", size, message, user_location()))
        self.values[var] = value

    def hide(self, inputs: Sequence[Variable]) -> None:
        """Let hidden inputs be new ones of the Program that is traced."""
        if inputs and self.tracer.loops:
            raise ConversionError(
                "a loaded model with a list whose length depends on a tensor cannot be called in a "
                f"loop on a tensor: each round would need other sizes{at_line()}"
            )
        for var in inputs:
            base = var.name.rpartition("_")[0]
            # All lists have the same room, so that each can be used like any other.
            shared = base == CAPACITY
            size = self.tracer.capacity() if shared else self.tracer.open_size(base)
            self.sizes[var.name] = size

    def _refuse(self, var: Variable, found: Variable) -> None:
        raise InputError(
            f"input '{var.name}' of a loaded model needs {var.dtype.name}{show(var.shape)}, got "
            f"{found.dtype.name}{show(found.shape)}{at_line()}"
        )

    def guards(self, guards: Sequence[Guard]) -> None:
        """Check what the Program says of its sizes here too."""
        for one in guards:
            self._guard(one._replace(left=self.dim(one.left), right=self.dim(one.right)))

    def _guard(self, guard: Guard) -> None:
        if guard.left == guard.right and guard.relation != "<=":
            return
        if isinstance(guard.left, int) and isinstance(guard.right, int):
            if not guard.holds(evaluate(guard.left, {}), evaluate(guard.right, {})):
                raise InputError(f"{guard.message}{at_line()}")
        elif guard not in self.tracer.program.guards:
            self.tracer.program.guards.append(guard)

    def value(self, var: Variable) -> Traced:
        """What a Variable has become."""
        if var in self.values:
            return self.values[var]
        return self.tracer.as_traced(self.tensors[var.name])

    def dim(self, dim: Dim) -> Dim:
        return substitute(dim, self.sizes)

    def ops(self, block: Block) -> None:
        """Record the ops of a block."""
        for op in block.ops:
            if op.type == "assign_persistable":
                value, target = op.inputs["X"][0], op.inputs["Target"][0]
                self.tracer.assign(self.tensors[target.name], self.value(value))
            elif op.type != CHECK:  # the ops that need it say so again
                self.op(op)

    def op(self, op: OpDesc) -> None:
        opdef = get_op(op.type)
        slots = {slot: [self.value(var) for var in vars_] for slot, vars_ in op.inputs.items()}
        self.find_sizes(op, slots)
        known = {name: value for name, value in op.attrs.items() if name in opdef.attrs}
        blocks = {name: self.block(v) for name, v in known.items() if isinstance(v, Block)}
        for name, sides in branch_sizes(op).items():
            self.sizes[name] = new_size(self.tracer, dim_max(*map(self.dim, sides)))
        attrs = {
            name: self.attribute(v) for name, v in known.items() if name not in blocks
        } | blocks
        if op.type == "assert" and attrs["error"] == "ResizeError":
            attrs["message"] = str(self.sizes[attrs["message"]])
        result = self.tracer.run_op(opdef, opdef.pack(slots), attrs)
        for slot, found in opdef.result_slots(result).items():
            self.values.update(zip(op.outputs.get(slot, []), found, strict=True))

    def find_sizes(self, op: OpDesc, slots: Mapping[str, Sequence[Traced]]) -> None:
        """Let the sizes that the op finds be new ones of the Program that is traced."""
        name = found_by(op)
        if name is not None:
            self.sizes[name] = new_size(self.tracer, product(slots["X"][0].variable.shape))
        for carried, (start, _) in loop_sizes(op).items():
            self.sizes[carried] = new_size(self.tracer, self.dim(start))

    def attribute(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.attribute(one) for one in value]
        return self.dim(value) if isinstance(value, SymDim) else value

    def block(self, block: Block) -> Block:
        """A sub-block of the traced Program like this one."""
        tracer = self.tracer
        with tracer.sub_block() as frame:
            for arg in block.args:
                shape = tuple(self.dim(dim) for dim in arg.shape)
                name = tracer.program.unique(arg.base_name)
                made = frame.block.add_arg(name, shape, arg.dtype, stop_gradient=arg.stop_gradient)
                self.values[arg] = tracer.traced(made)
            self.ops(block)
            frame.block.results = [tracer.variable(self.value(var)) for var in block.results]
        return frame.block
