"""What becomes of a contraction's results on their way from registers to memory.

A head (a matmul, a convolution) gives vectors of sums to `Surface.store`; there the pointwise ops
that the `fuse_contract` pass has put behind it are applied, and what they give is stored. A head
knows nothing of them: it states how it counts its output, and where each vector lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wherry.ir.cost import cost_of
from wherry.ir.dims import product
from wherry.ir.infer import Shape
from wherry.ir.program import Block, OpDesc, Variable
from wherry.ir.scalar import Scalar
from wherry.schema.dtypes import DType, float16

from .builder import KernelBuilder
from .formula import fused
from .index import Index, Value
from .lanes import Lanes, Place
from .math import LLVMScalars
from .operand import Operand

# From this cost of the ops on, in multiplications per element, a tile applies them in a loop: their
# code would be long if it stood there for each vector.
_LONG = 12


@dataclass(frozen=True)
class Result:
    """A head's output: its shape and dtype, the ops behind it, and the memory for what they give.

    `operands` are what the ops read beside the head's values; they broadcast to the shape.
    """

    kb: KernelBuilder
    value: Variable
    ops: Sequence[OpDesc]
    wanted: Sequence[Variable]
    operands: dict[Variable, Operand]
    outputs: Sequence[Operand]

    @staticmethod
    def plain(kb: KernelBuilder) -> Result:
        """The output of an op that stands alone."""
        out = kb.op.out_vars[0]
        return Result(kb, out, [], [out], {}, kb.outputs[:1])

    @staticmethod
    def fused(kb: KernelBuilder) -> Result:
        """The output of the head of a `fusion` of the kind "contract"; from here on kb shows it."""
        block: Block = kb.attrs["block"]
        head, *ops = block.ops
        outer = dict(zip(block.args, kb.inputs, strict=True))
        made = {var for op in block.ops for var in op.out_vars}
        read = {var: outer[var] for op in ops for var in op.in_vars if var not in made}
        outputs = kb.outputs
        kb.show(head, {var: outer[var] for var in head.in_vars})
        return Result(kb, head.out_vars[0], ops, block.results, read, outputs)

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    @property
    def is_long(self) -> bool:
        """Whether the ops are better applied in a loop than once for each vector of a tile."""
        converted = any(out.dtype is float16 for out in self.outputs)
        return converted or sum(map(cost_of, self.ops)) > _LONG

    def over(self, *axes: int) -> Surface:
        """The output for a head that has one index for each so many neighbouring axes."""
        assert sum(axes) == len(self.shape), (axes, self.shape)
        return Surface(self, axes)

    def compute(
        self, scalars: LLVMScalars, sums: Value, sum_dtype: DType, load: Callable[[Operand], Scalar]
    ) -> list[Scalar]:
        """What the ops give for a vector of sums and the operands that `load` reads."""
        total = scalars.cast(scalars.wrap(sums, sum_dtype), self.dtype)
        values = {var: load(operand) for var, operand in self.operands.items()}
        values[self.value] = total
        for op in self.ops:
            found = fused(scalars, op, [values[var] for var in op.in_vars])
            values.update(zip(op.out_vars, found, strict=True))
        return [values[var] for var in self.wanted]


class Surface:
    """A Result whose axes are counted in runs: one index for each run of neighbouring axes."""

    def __init__(self, result: Result, axes: Sequence[int]) -> None:
        self.result, self.kb = result, result.kb
        everything = [*result.operands.values(), *result.outputs]
        self._runs = {id(operand): _runs(operand, result.shape, axes) for operand in everything}

    def store(
        self, sums: Value, dtype: DType, index: Sequence[Index], lanes: Lanes, along: int = -1
    ) -> None:
        """Store what the ops give for a vector of sums whose first lane is at `index`.

        The lanes lie along the run `along`.
        """

        def where(operand: Operand) -> tuple[Place, int | None]:
            runs = self._runs[id(operand)]

            def place(j: Index) -> Index:
                at = [*index]
                at[along] = self.kb.add(at[along], j)
                offsets = [run.offset(self.kb, i) for run, i in zip(runs, at, strict=True)]
                return self.kb.offset(offsets, [1] * len(offsets))

            return place, runs[along].step

        result = self.result
        values = result.compute(
            lanes.scalars, sums, dtype, lambda operand: lanes.load(operand, *where(operand))
        )
        for value, out in zip(values, result.outputs, strict=True):
            lanes.store(out, value, *where(out))


@dataclass(frozen=True)
class _Run:
    """How an operand's offset grows along a run: a stride for each of its axes.

    There is one stride alone where the operand has all of the run's axes, or none.
    """

    sizes: Sequence[Index]
    strides: Sequence[Index]

    @property
    def step(self) -> int | None:
        """The distance of neighbours, where it is known to be 0 or 1."""
        if not self.strides:
            return 0
        only = self.strides[0] if len(self.strides) == 1 else None
        return only if isinstance(only, int) and only in (0, 1) else None

    def offset(self, kb: KernelBuilder, index: Index) -> Index:
        total: Index = 0
        for size, stride in reversed(list(zip(self.sizes[1:], self.strides[1:], strict=True))):
            total = kb.add(total, kb.mul(kb.rem(index, size), stride))
            index = kb.div(index, size)
        return kb.add(total, kb.mul(index, self.strides[0])) if self.strides else 0


def _runs(operand: Operand, shape: Shape, axes: Sequence[int]) -> list[_Run]:
    kb, own = operand.kb, (1,) * (len(shape) - operand.ndim) + tuple(operand.shape)
    strides = operand.broadcast_strides(shape)
    runs, start = [], 0
    for count in axes:
        stop = start + count
        places = [i for i in range(start, stop) if shape[i] != 1]
        if all(own[i] == shape[i] for i in places):
            last: list[Index] = [kb.dim(product(own[stop:]))] if places else []
            runs.append(_Run([0] * len(last), last))
        elif all(own[i] == 1 for i in places):
            runs.append(_Run([], []))
        else:
            sizes = [kb.dim(shape[i]) for i in places]
            runs.append(_Run(sizes, [strides[i] for i in places]))
        start = stop
    return runs


def head_of(op: OpDesc) -> OpDesc:
    """The head of a `fusion` of the kind "contract"."""
    block: Block = op.attrs["block"]
    return block.ops[0]


def read_by_ops_alone(op: OpDesc) -> list[Variable]:
    """The inputs of such a fusion that its head does not read.

    Their elements are read where, and not after, those of the same index are written.
    """
    block: Block = op.attrs["block"]
    read = set(head_of(op).in_vars)
    pairs = zip(block.args, op.in_vars, strict=True)
    return [outer for inner, outer in pairs if inner not in read]
