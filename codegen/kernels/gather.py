"""Reading and writing at indices that are data. An index outside of its dim is an error record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wherry.ir.dims import Dim, product
from wherry.ir.infer import axis_in
from wherry.ir.ops.embedding import NO_PADDING
from wherry.ir.program import OpDesc, Variable
from wherry.ir.scalar import Scalar
from wherry.runtime.abi import ERROR_INDEX

from ..builder import KernelBuilder
from ..formula import register_bytes
from ..index import Index, Value, i64
from ..lanes import Lanes
from ..math import storage_type
from ..nest import rounds, vectors
from ..operand import Operand
from .axis import Lines
from .move import copy, copy_run, dense, whole
from .registry import lowers


def index_at(kb: KernelBuilder, indices: Operand, place: Index, size: Dim) -> Value:
    """The index at a place; an error unless 0 <= index < size."""
    index = kb.as_index(indices.load_at(place))
    outside = kb.b.icmp_unsigned(">=", index, i64(kb.dim(size)))
    kb.fail_if(outside, ERROR_INDEX, place, index)
    return index


def _check_all(kb: KernelBuilder, indices: Operand, size: Dim) -> None:
    with kb.loop(kb.dim(indices.size)) as place:
        index_at(kb, indices, place, size)


def _written_to(op: OpDesc) -> list[Variable]:
    """The array of which a part is written; all else of it stays."""
    return op.in_vars[:1]


def _keep(kb: KernelBuilder, x: Operand, out: Operand) -> None:
    """Begin with all of x, unless it lies there already."""
    if x.pointer is not out.pointer:
        copy(kb, whole(x), whole(out), x.shape)


def _move(kb: KernelBuilder, x: Operand, source: Index, out: Operand, target: Index) -> None:
    """Copy one element, bit by bit."""
    value = kb.b.load(x.address(source), typ=storage_type(x.dtype))
    kb.b.store(value, out.address(target))


def _add(out: Operand, value: Scalar, at: Index) -> None:
    out.store_at(out.load_at(at) + value, at)


def _add_run(
    kb: KernelBuilder, out: Operand, start: Index, x: Operand, first: Index, count: Index
) -> None:
    """Add neighbouring elements to neighbouring elements."""
    width = kb.machine.vector_bytes // register_bytes(x.dtype)

    def add(lanes: Lanes, i: Index) -> None:
        def place(lane: Index) -> Index:
            return kb.add(kb.add(start, i), lane)

        def other(lane: Index) -> Index:
            return kb.add(kb.add(first, i), lane)

        lanes.store(out, lanes.load(out, place, 1) + lanes.load(x, other, 1), place, 1)

    vectors(kb, 0, count, width, add)


# -- along an axis -------------------------------------------------------------------------------


@lowers("index_select")
def index_select(kb: KernelBuilder) -> None:
    """out[..., i, ...] = x[..., index[i], ...]."""
    x, index, out = kb.input("X"), kb.input("Index"), kb.output()
    lines, picked = (Lines.of(kb, t.shape, kb.attrs["dim"]) for t in (x, out))
    with rounds(kb, [lines.outer, index.size], parallel=True) as (o, place):
        row = index_at(kb, index, place, lines.size)
        count = kb.dim(lines.inner)
        copy_run(kb, x, lines.at(o, row, 0), out, picked.at(o, place, 0), count)


@lowers("index_add", inplace=_written_to)
def index_add(kb: KernelBuilder) -> None:
    """x, and out[..., index[i], ...] += value[..., i, ...] in the order of i."""
    x, index, value, out = (*(kb.input(s) for s in ("X", "Index", "AddValue")), kb.output())
    lines, added = (Lines.of(kb, t.shape, kb.attrs["axis"]) for t in (x, value))
    _keep(kb, x, out)
    _check_all(kb, index, lines.size)
    with kb.nest([lines.outer, index.size]) as (o, place):
        row = kb.as_index(index.load_at(place))
        count = kb.dim(lines.inner)
        _add_run(kb, out, lines.at(o, row, 0), value, added.at(o, place, 0), count)


@lowers("take_along_axis")
def take_along_axis(kb: KernelBuilder) -> None:
    """out[..., i, ...] = x[..., index[..., i, ...], ...]."""
    x, index, out = kb.input("Input"), kb.input("Index"), kb.output("Result")
    _each_along(kb, x, index, lambda at, place, _: _move(kb, x, at, out, place), parallel=True)


@lowers("put_along_axis", inplace=_written_to)
def put_along_axis(kb: KernelBuilder) -> None:
    """The inverse: each value is written to, or added to, the place that its index names."""
    x, index, value, out = (
        *(kb.input(s) for s in ("Input", "Index", "Value")), kb.output("Result"),
    )  # fmt: skip
    _keep(kb, x, out)
    strides = value.broadcast_strides(index.shape)
    adds = kb.attrs["Reduce"] == "add"

    def put(at: Index, _: Index, position: Sequence[Index]) -> None:
        found = value.load_at(kb.offset(position, strides))
        if adds:
            _add(out, found, at)
        else:
            out.store_at(found, at)

    _each_along(kb, x, index, put)


def _each_along(
    kb: KernelBuilder,
    x: Operand,
    index: Operand,
    body: Callable[[Index, Index, Sequence[Index]], None],
    parallel: bool = False,
) -> None:
    """`body(element of x, element of the index, its position)` for each index along the axis."""
    axis = axis_in(kb.attrs["Axis"], x.ndim)
    strides = [kb.dim(stride) for stride in dense(x.shape)]
    with rounds(kb, index.shape, parallel) as position:
        place = index.offset(position)
        found = index_at(kb, index, place, x.shape[axis])
        there = (*position[:axis], found, *position[axis + 1 :])
        body(kb.offset(there, strides), place, position)


# -- by rows of coordinates ------------------------------------------------------------------------


@lowers("gather_nd")
def gather_nd(kb: KernelBuilder) -> None:
    """out[n] = x[index[n, 0], index[n, 1], ...]."""
    x, index, out = kb.input("X"), kb.input("Index"), kb.output()

    def read(part: Index, at: Index, count: Index) -> None:
        copy_run(kb, x, part, out, at, count)

    with kb.parallel(kb.dim(product(index.shape[:-1]))) as n:
        _part(kb, x, index, n, read)


@lowers("scatter_nd_add", inplace=_written_to)
def scatter_nd_add(kb: KernelBuilder) -> None:
    """x, and out[index[n, 0], index[n, 1], ...] += updates[n] in the order of n."""
    x, index, updates, out = (*(kb.input(s) for s in ("X", "Index", "Updates")), kb.output())
    _keep(kb, x, out)

    def add(part: Index, at: Index, count: Index) -> None:
        _add_run(kb, out, part, updates, at, count)

    with kb.loop(kb.dim(product(index.shape[:-1]))) as n:
        _part(kb, x, index, n, add)


def _part(
    kb: KernelBuilder,
    x: Operand,
    index: Operand,
    n: Index,
    body: Callable[[Index, Index, Index], None],
) -> None:
    """`body(element of x, element of the parts, count)` for the part that index n names."""
    depth = index.shape[-1]
    assert isinstance(depth, int), "infer refuses a depth that is not known"
    strides, inner = dense(x.shape), kb.dim(product(x.shape[depth:]))
    start: Index = 0
    for i in range(depth):
        found = index_at(kb, index, kb.add(kb.mul(n, depth), i), x.shape[i])
        start = kb.add(start, kb.mul(found, kb.dim(strides[i])))
    body(start, kb.mul(n, inner), inner)


# -- tables --------------------------------------------------------------------------------------


@lowers("lookup_table_v2")
def lookup_table(kb: KernelBuilder) -> None:
    """Rows of W by number; zeros for the padding id."""
    w, ids, out = kb.input("W"), kb.input("Ids"), kb.output()
    width = kb.dim(w.shape[1])
    padding = kb.attrs["padding_idx"]
    with kb.parallel(kb.dim(ids.size)) as n:
        row = index_at(kb, ids, n, w.shape[0])
        start = kb.mul(n, width)

        def read() -> None:
            copy_run(kb, w, kb.mul(row, width), out, start, width)

        def clear() -> None:
            with kb.loop(width) as i:
                out.store_at(kb.const(0, out.dtype), kb.add(start, i))

        if padding == NO_PADDING:
            read()
        else:
            kb.either(kb.eq(row, padding), clear, read)


@lowers("embedding_grad")
def embedding_grad(kb: KernelBuilder) -> None:
    """Each row of Grad added to the row of the table that its id names, in order."""
    ids, g, out = kb.input("Ids"), kb.input("Grad"), kb.output()
    width = kb.dim(out.shape[1])
    with kb.loop(kb.dim(out.size)) as i:
        out.store_at(kb.const(0, out.dtype), i)
    with kb.loop(kb.dim(ids.size)) as n:
        row = index_at(kb, ids, n, out.shape[0])
        with kb.when(_counts(kb, row)):
            _add_run(kb, out, kb.mul(row, width), g, kb.mul(n, width), width)


def _counts(kb: KernelBuilder, row: Value) -> Value:
    """Whether an id is not the padding id (no id is -1)."""
    return kb.ne(row, kb.attrs["padding_idx"])
