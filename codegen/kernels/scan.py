"""Running sums and products along an axis. Each result is made of the one before, in sequence."""

from __future__ import annotations

from collections.abc import Callable

from wherry.ir.dims import product
from wherry.ir.scalar import Scalar

from ..builder import KernelBuilder
from ..index import Index
from .axis import Lines
from .registry import lowers

Step = Callable[[Index, Index], Scalar]


def _scan(kb: KernelBuilder, lines: Lines, reverse: bool, first: Step, then: Step) -> None:
    """out[first place] = first(at, at), out[place] = then(at, before) for the places after it.

    `at` and `before` are the elements at a place and at the place before it in the scan's order.
    """
    out, size = kb.output(), kb.dim(lines.size)

    def place(i: Index) -> Index:
        return kb.sub(kb.sub(size, 1), i) if reverse else i

    with kb.parallel(kb.dim(lines.outer)) as o:
        with kb.loop(kb.minimum(size, 1)) as i, kb.loop(kb.dim(lines.inner)) as j:
            at = lines.at(o, place(i), j)
            out.store_at(first(at, at), at)
        with kb.loop(size, 1) as i, kb.loop(kb.dim(lines.inner)) as j:
            at, before = lines.at(o, place(i), j), lines.at(o, place(kb.sub(i, 1)), j)
            out.store_at(then(at, before), at)


def _running(kb: KernelBuilder, lines: Lines, function: str, identity: int) -> None:
    x, out, attrs = kb.input("X"), kb.output(), kb.attrs
    exclusive = attrs["exclusive"]

    def first(at: Index, _: Index) -> Scalar:
        return kb.const(identity, x.dtype) if exclusive else x.load_at(at)

    def then(at: Index, before: Index) -> Scalar:
        value = x.load_at(before if exclusive else at)
        return kb.call(function, out.load_at(before), value)

    _scan(kb, lines, attrs["reverse"], first, then)


@lowers("cumsum")
def cumsum(kb: KernelBuilder) -> None:
    """Sums from the start of each line, or of the whole tensor."""
    shape, flatten = kb.input("X").shape, kb.attrs["flatten"]
    lines = Lines.of(kb, (product(shape),), 0) if flatten else Lines.of(kb, shape, kb.attrs["axis"])
    _running(kb, lines, "add", 0)


@lowers("cumprod")
def cumprod(kb: KernelBuilder) -> None:
    """Products from the start of each line."""
    _running(kb, Lines.of(kb, kb.input("X").shape, kb.attrs["dim"]), "mul", 1)


@lowers("linear_scan")
def linear_scan(kb: KernelBuilder) -> None:
    """out[i] = a[i] * out[i - 1] + b[i]."""
    a, b, out = kb.input("A"), kb.input("B"), kb.output()
    _scan(
        kb, Lines.of(kb, b.shape, kb.attrs["axis"]), kb.attrs["reverse"],
        lambda at, _: b.load_at(at),
        lambda at, before: b.load_at(at) + a.load_at(at) * out.load_at(before),
    )  # fmt: skip
