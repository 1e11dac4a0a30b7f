"""matmul_panels: products with a matrix in panels, which are read where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wherry.ir.dims import Dim, product
from wherry.ir.ops.panels import panel_width
from wherry.ir.program import OpDesc

from ..builder import KernelBuilder
from ..epilogue import Result, Surface
from ..index import Index, Value
from ..lanes import Lanes
from ..machine import Machine
from ..operand import Operand
from .panels import Matrix, lanes
from .product import Left, Product, Right, must_pack_rows, scratch_of_rows, tile_rows
from .registry import lowers_head
from .tile import Strip

# With few rows a tile takes more vectors: sums that wait for each other would leave the machine
# idle. So many vectors are read at a time at most, in the order of the machine's fewest registers.
_WIDEST = 8
# Up to so many rows are few where the call tells how many there are.
_FEW = 4


def _scratch(op: OpDesc) -> Dim:
    weights = op.inputs["Y"][0]
    return scratch_of_rows(weights.shape[1], weights.dtype)


@lowers_head("matmul_panels", scratch=_scratch)
def matmul_panels(kb: KernelBuilder, result: Result) -> None:
    """[..., M, K] by panels of [K, N]: a stack is one long matrix."""
    if 0 in result.shape:
        return
    x, weights = kb.input("X"), kb.input("Y")
    rows, depth = product(result.shape[:-1]), weights.shape[1]
    left = Matrix(x, rows, depth, depth, 1)
    surface = result.over(len(result.shape) - 1, 1)
    if isinstance(rows, int):
        one = _Panels(kb, left, weights, surface, vectors_for(kb.machine, rows)).product
        with kb.parallel(one.blocks) as block:
            one.emit_block(block)
        return
    few, many = (
        _Panels(kb, left, weights, surface, vectors).product
        for vectors in (_WIDEST, vectors_for(kb.machine))
    )
    are_few = kb.compare("<=", kb.dim(rows), _FEW)
    with kb.parallel(kb.select(are_few, few.blocks, many.blocks)) as block:
        kb.either(are_few, lambda: few.emit_block(block), lambda: many.emit_block(block))


def vectors_for(machine: Machine, rows: int | None = None) -> int:
    """The vectors of a tile, a power of two: many, where there are registers for all rows."""
    usual = 1 << (machine.tile_vectors - 1).bit_length()
    if rows is None:
        return usual
    fitting = (v for v in (_WIDEST, _WIDEST // 2) if v > usual and tile_rows(machine, v) >= rows)
    return next(fitting, usual)


@dataclass(frozen=True)
class _Panels:
    """A product with tiles of some vectors, of one panel or of several."""

    kb: KernelBuilder
    left: Matrix
    weights: Operand
    surface: Surface
    vectors: int

    @cached_property
    def product(self) -> Product:
        kb, left = self.kb, self.left
        return Product(
            kb, kb.dim(left.rows), kb.dim(self.surface.result.shape[-1]), 1, kb.dim(left.columns),
            Left(left.operand, 0, kb.dim(left.row), 0, 1),
            Right(None, self.place, vectors=self.vectors),
            self.store, self.surface.result.is_long,
            left if must_pack_rows(left, left.rows) else None,
        )  # fmt: skip

    def place(self, start: Index) -> Strip:
        """The vectors of a tile; of a panel behind the last one that one is read again."""
        kb, weights, dtype = self.kb, self.weights, self.weights.dtype
        width, step = panel_width(dtype), lanes(kb.machine, dtype)
        first, (count, depth, _) = kb.div(start, width), map(kb.dim, weights.shape)
        size = kb.mul(depth, width)
        each: Index | list[Index] = step
        if self.vectors * step > width:
            last = kb.sub(kb.sub(count, 1), first)
            each = [
                kb.add(kb.mul(kb.minimum(u * step // width, last), size), u * step % width)
                for u in range(self.vectors)
            ]
        pointer = weights.address(kb.add(kb.mul(first, size), kb.rem(start, width)))
        return Strip(Operand(kb, pointer, dtype, ()), each, 0, width)

    def store(self, i: Index, j: Index, sums: Value, some: Lanes) -> None:
        self.surface.store(sums, self.weights.dtype, (i, j), some)
