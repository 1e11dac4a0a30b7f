"""Pointwise ops: one loop nest over the broadcast shape, a load per input, the formula, a store.

The innermost loop takes a vector at a time, as wide as the largest of the values allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from llvmlite import ir

from wherry.ir.program import OpDesc, Variable
from wherry.ir.scalar import Scalar
from wherry.runtime.abi import ERROR_DIVISION

from ..builder import KernelBuilder
from ..formula import formula, fused, register_bytes
from ..index import I1, I64, Index, Value
from ..lanes import Lanes, Place
from ..math import LLVMScalars
from ..nest import runs, vectors
from ..operand import Operand
from ..order import in_order
from ..space import Space, joint_shape
from .registry import lowers

Load = Callable[[], Scalar]
Compute = Callable[[LLVMScalars, Sequence[Load]], list[Scalar]]


@lowers("map", inplace=True)
def pointwise(kb: KernelBuilder) -> None:
    """Any op with a scalar formula."""

    def compute(scalars: LLVMScalars, loads: Sequence[Load]) -> list[Scalar]:
        return formula(scalars, kb.op, [load() for load in loads])

    pointwise_loop(kb, kb.inputs, kb.outputs, compute, [*kb.op.in_vars, *kb.op.out_vars])


def fused_ops(
    args: Sequence[Variable], ops: Sequence[OpDesc], wanted: Sequence[Variable]
) -> Compute:
    """The function from the arguments of a block of pointwise ops to the values wanted of it.

    An argument is loaded where it is first needed: it holds a register from there on only.
    """

    ordered = in_order(ops, wanted)

    def compute(scalars: LLVMScalars, loads: Sequence[Load]) -> list[Scalar]:
        values: dict[Variable, Scalar] = {}
        first = dict(zip(args, loads, strict=True))

        def value(var: Variable) -> Scalar:
            if var not in values:
                values[var] = first[var]()
            return values[var]

        for op in ordered:
            results = fused(scalars, op, [value(var) for var in op.in_vars])
            values.update(zip(op.out_vars, results, strict=True))
        return [value(var) for var in wanted]

    return compute


def pointwise_loop(
    kb: KernelBuilder,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    compute: Compute,
    values: Sequence[Variable],
) -> None:
    """Store `compute(elements of the inputs)` for each index of the outputs' joint shape.

    `values` are all that is computed with. Where sizes decide at the call what broadcasts, there is
    a fast version for the case that nothing does.
    """
    shape = joint_shape([out.shape for out in outputs])
    space = Space(shape, [operand.shape for operand in (*inputs, *outputs)])
    width = kb.machine.vector_bytes // register_bytes(*(var.dtype for var in values))

    def version(chosen: Space, parallel: bool) -> Callable[[], None]:
        return lambda: _Nest(kb, chosen, inputs, outputs, compute, width).emit(parallel)

    if space.uncertain:
        kb.either(
            space.nothing_broadcasts(kb), version(space.expanded(), True), version(space, False)
        )
    else:
        version(space, True)()


class _Nest:
    """The loops of one version."""

    def __init__(
        self,
        kb: KernelBuilder,
        space: Space,
        inputs: Sequence[Operand],
        outputs: Sequence[Operand],
        compute: Compute,
        width: int,
    ) -> None:
        self.kb, self.inputs, self.outputs = kb, inputs, outputs
        self.compute, self.width, self.sizes = compute, width, space.sizes
        self.strides = [space.strides(kb, i) for i in range(len(inputs) + len(outputs))]

    def emit(self, parallel: bool) -> None:
        kb = self.kb
        if not self.sizes:
            self._vector([], Lanes(kb, 1, 1), 0)
            return
        with runs(kb, self.sizes, parallel) as (index, start, stop, rest):

            def body(lanes: Lanes, i: Index) -> None:
                self._vector(index, lanes, i)

            vectors(kb, start, stop, self.width, body, rest)

    def _vector(self, index: Sequence[Index], lanes: Lanes, i: Index) -> None:
        kb, count = self.kb, len(self.inputs)
        places = [place_along(kb, index, i, strides) for strides in self.strides]
        pairs = zip(self.inputs, places, strict=False)
        loads = [partial(lanes.load, operand, *place) for operand, place in pairs]
        results = self.compute(lanes.scalars, loads)
        check_divisions(lanes, places[-1][0])
        for value, out, place in zip(results, self.outputs, places[count:], strict=True):
            lanes.store(out, value, *place)


def place_along(
    kb: KernelBuilder, index: Sequence[Index], i: Index, strides: Sequence[Index]
) -> tuple[Place, int | None]:
    """Where the lanes lie that begin at element i of a run, and their distance if it is known.

    The run is the last loop; `index` holds the indices of those around it.
    """
    if not strides:
        return lambda lane: 0, 0
    *outer, last = strides
    start = kb.offset([*index, i], [*outer, last])

    def place(lane: Index) -> Index:
        return kb.add(start, kb.mul(lane, last))

    return place, last if isinstance(last, int) and last in (0, 1) else None


def check_divisions(lanes: Lanes, place: Place) -> None:
    """End the kernel if an integer division in one of the lanes that count was by zero."""
    kb, scalars = lanes.kb, lanes.scalars
    failed, scalars.failed = scalars.failed, []
    for by_zero in failed:
        wrong = by_zero if lanes.full else kb.b.and_(by_zero, lanes.mask)
        kb.fail_if(scalars.any_lane(wrong), ERROR_DIVISION, place(_first(lanes, wrong)))


def _first(lanes: Lanes, flags: Value) -> Value:
    """The number of the first lane whose flag is set; there is one."""
    b, kind = lanes.kb.b, ir.IntType(lanes.width)
    number = b.cttz(b.bitcast(flags, kind), ir.Constant(I1, 0))
    return number if lanes.width == 64 else b.zext(number, I64)
