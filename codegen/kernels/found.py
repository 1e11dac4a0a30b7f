"""Sizes that the run finds: the kernel that counts and lists the true elements of a mask."""

from __future__ import annotations

from llvmlite import ir

from wherry.ir.found import found_by
from wherry.runtime.abi import ERROR_SIZE

from ..builder import KernelBuilder
from ..index import I8, I64, Cell, Index, Value, i64
from ..operand import Operand
from .registry import lowers

# So many elements are looked at together: where all are false, as they mostly are, that is all.
WORD = 8


@lowers("true_positions")
def true_positions(kb: KernelBuilder) -> None:
    """Write the position of each true element; the size that is found gets their number."""
    x, out = kb.input("X"), kb.output()
    name = found_by(kb.op)
    total = kb.dim(x.size)
    count = kb.cell(i64(0))
    if name is None:
        _need_count(kb, x, total)
    rest = kb.rem(total, WORD)
    whole = kb.sub(total, rest)
    with kb.loop(whole, 0, WORD, plain=True) as start:
        word = kb.b.load(x.address(start), typ=I64, align=1)
        with kb.when(kb.ne(word, 0)), kb.loop(WORD, unroll=WORD) as i:
            _list(kb, x, out, kb.add(start, i), count)
    with kb.loop(rest, plain=True) as i:
        _list(kb, x, out, kb.add(whole, i), count)
    if name is not None:
        kb.b.store(count.get(), kb.symbol_place(name))


def _is_true(kb: KernelBuilder, x: Operand, place: Index) -> Value:
    byte = kb.b.load(x.address(place), typ=I8)
    return kb.b.icmp_unsigned("!=", byte, ir.Constant(I8, 0))


def _list(kb: KernelBuilder, x: Operand, out: Operand, place: Index, count: Cell) -> None:
    """Enter the place if its element is true.

    A size that is found has room for all elements, so that the place may be written in any case:
    the next one overwrites it.
    """
    found, at = _is_true(kb, x, place), count.get()
    if found_by(kb.op) is not None:
        kb.b.store(i64(place), out.address(at))
    else:
        with kb.when(found):
            kb.b.store(i64(place), out.address(at))
    count.set(kb.b.add(at, kb.b.zext(found, I64)))


def _need_count(kb: KernelBuilder, x: Operand, total: Index) -> None:
    """Stop unless there are as many true elements as the op says."""
    count = kb.cell(i64(0))
    with kb.loop(total, plain=True) as i:
        count.set(kb.b.add(count.get(), kb.b.zext(_is_true(kb, x, i), I64)))
    wanted = kb.attrs["size"]
    kb.fail_if(kb.ne(count.get(), wanted), ERROR_SIZE, wanted, count.get())
