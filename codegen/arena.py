"""Where buffers lie whose sizes only the call tells: a native function lays out the arena.

It packs as `packing.pack` does, for the sizes of the call, and writes the offsets to a table at the
arena's beginning: a flag, the symbols' values, an offset for each buffer, the arena's size. A call
with the same values finds them there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from llvmlite import ir

from wherry.ir.dims import symbol

from .index import I64, POINTER, Cell, Index, IndexBuilder, Value, i64
from .memory import MemoryPlan
from .module import ModuleBuilder
from .packing import MANY, ORDERS, aligned

# Whether the block of this number belongs behind another one.
Test: TypeAlias = Callable[[Value], Value]
LAY_OUT = ir.FunctionType(I64, [POINTER, POINTER])


def place_of(plan: MemoryPlan, number: int) -> int:
    """The word of the table that holds the offset of a buffer; behind the last one, the size."""
    return 1 + len(plan.symbols) + number


def emit_lay_out(module: ModuleBuilder, plan: MemoryPlan) -> Value:
    """`i64 lay_out(const i64 *dims, i64 *table)`: fills the table; gives the bytes of the arena."""
    function = ir.Function(module.module, LAY_OUT, "lay_out")
    function.linkage = "internal"
    for attribute in ("nounwind", "noinline"):
        function.attributes.add(attribute)
    dims, pointer = function.args
    builder = IndexBuilder(function, dims, module.symbols)
    table = Words(builder, pointer)
    packing = _Packing(builder, plan)
    total = builder.add(packing.emit(), plan.table_bytes)
    with builder.loop(packing.count) as i:
        offset = builder.add(packing.best.load(i), plan.table_bytes)
        table.store(builder.add(place_of(plan, 0), i), offset)
    table.store(place_of(plan, packing.count), total)
    for number, name in enumerate(plan.symbols, 1):
        table.store(number, builder.dim(symbol(name)))
    table.store(0, 1)
    builder.b.ret(i64(total))
    return function


def emit_check(module: ModuleBuilder, plan: MemoryPlan, lay_out: Value) -> Value:
    """`void check(const i64 *dims, i64 *table)`: fills the table unless it is for these dims."""
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER])
    function = ir.Function(module.module, kind, "check_lay_out")
    function.linkage = "internal"
    function.attributes.add("nounwind")
    dims, pointer = function.args
    builder = IndexBuilder(function, dims, module.symbols)
    table = Words(builder, pointer)
    holds = builder.eq(table.load(0), 1)
    for number, name in enumerate(plan.symbols, 1):
        same = builder.eq(table.load(number), builder.dim(symbol(name)))
        holds = builder.b.and_(holds, same)
    with builder.b.if_then(builder.b.not_(holds), likely=False):
        builder.b.call(lay_out, [dims, pointer])
    builder.b.ret_void()
    return function


class Words:
    """An array of i64 in memory."""

    def __init__(self, builder: IndexBuilder, pointer: Value) -> None:
        self.builder, self.pointer = builder, pointer

    @staticmethod
    def new(builder: IndexBuilder, count: int) -> Words:
        """On the stack."""
        return Words(builder, builder.alloca(I64, max(count, 1)))

    @staticmethod
    def constant(builder: IndexBuilder, name: str, values: Sequence[int]) -> Words:
        kind = ir.ArrayType(I64, len(values))
        made = ir.GlobalVariable(builder.function.module, kind, name)
        made.linkage, made.global_constant = "internal", True
        made.initializer = ir.Constant(kind, [i64(value) for value in values])
        return Words(builder, made)

    def _at(self, place: Index) -> Value:
        return self.builder.b.gep(self.pointer, [i64(place)], True, source_etype=I64)

    def load(self, place: Index) -> Value:
        return self.builder.b.load(self._at(place), typ=I64)

    def store(self, place: Index, value: Index) -> None:
        self.builder.b.store(i64(value), self._at(place))


class _Packing:
    """`packing.pack` of a plan's buffers: see there."""

    def __init__(self, builder: IndexBuilder, plan: MemoryPlan) -> None:
        self.builder, self.count = builder, len(plan.arena)
        self.starts = Words.constant(builder, "starts", [b.start for b in plan.arena])
        self.ends = Words.constant(builder, "ends", [b.end for b in plan.arena])
        self.sizes, self.keys, self.order, self.placed, self.offsets, self.best = (
            Words.new(builder, self.count) for _ in range(6)
        )
        for number, buffer in enumerate(plan.arena):
            self.sizes.store(number, builder.dim(aligned(buffer.size)))

    def emit(self) -> Value:
        """Fills `best`; gives the size that it takes."""
        builder = self.builder
        bound = self.largest_live_set()
        least = builder.cell(i64((1 << 63) - 1))
        orders = len(ORDERS) if self.count <= MANY else 1
        with builder.loop(orders) as number, builder.when(builder.lt(bound, least.get())):
            self.sort(number)
            total = self.place()
            with builder.when(builder.lt(total, least.get())):
                least.set(total)
                with builder.loop(self.count) as i:
                    self.best.store(i, self.offsets.load(i))
        return least.get()

    def largest_live_set(self) -> Value:
        """It is reached where a block begins."""
        builder = self.builder
        most = builder.cell(i64(0))
        with builder.loop(self.count) as i:
            at, live = self.starts.load(i), builder.cell(i64(0))
            with builder.loop(self.count) as j:
                begun = builder.compare("<=", self.starts.load(j), at)
                lives = builder.b.and_(begun, builder.compare("<=", at, self.ends.load(j)))
                size = builder.select(lives, self.sizes.load(j), 0)
                live.set(builder.add(live.get(), size))
            most.set(builder.maximum(most.get(), live.get()))
        return most.get()

    def sort(self, order: Index) -> None:
        """Fill `order` with the blocks' numbers, the largest key first; equal ones as they come."""
        builder = self.builder
        with builder.loop(self.count) as i:
            size, start, end = (words.load(i) for words in (self.sizes, self.starts, self.ends))
            life = builder.sub(end, start)
            key: Index = end
            for number, other in (
                (3, builder.sub(0, start)), (2, life),
                (1, builder.mul(size, builder.add(life, 1))), (0, size),
            ):  # fmt: skip
                key = builder.select(builder.eq(order, number), other, key)
            self.keys.store(i, key)
            self.insert(self.order, i, i, partial(self._is_less, i64(key)))

    def _is_less(self, key: Value, block: Value) -> Value:
        return self.builder.lt(self.keys.load(block), key)

    def insert(self, words: Words, count: Index, value: Index, is_behind: Test) -> None:
        """Put a number among the first `count`, before those at the end that are behind it."""
        builder = self.builder
        place = builder.cell(i64(count))

        def goes_on() -> Value:
            before = words.load(builder.maximum(builder.sub(place.get(), 1), 0))
            return builder.b.and_(builder.lt(0, place.get()), is_behind(before))

        def move() -> None:
            before = builder.sub(place.get(), 1)
            words.store(place.get(), words.load(before))
            place.set(i64(before))

        builder.while_loop(goes_on, move)
        words.store(place.get(), value)

    def place(self) -> Value:
        """Give the blocks offsets in this order; the end of the last one."""
        builder = self.builder
        total = builder.cell(i64(0))
        with builder.loop(self.count) as number:
            block = self.order.load(number)
            at = self.gap(block, number)
            self.offsets.store(block, at)
            self.insert(self.placed, number, block, lambda j: builder.lt(at, self.offsets.load(j)))
            total.set(builder.maximum(total.get(), builder.add(at, self.sizes.load(block))))
        return total.get()

    def gap(self, block: Value, count: Index) -> Value:
        """The tightest gap for a block between the `count` placed ones, or behind all of them."""
        builder = self.builder
        size, start, end = (w.load(block) for w in (self.sizes, self.starts, self.ends))
        free, best, tightest = (builder.cell(i64(value)) for value in (0, -1, 0))
        with builder.loop(count) as i:
            other = self.placed.load(i)
            reaches = builder.compare("<=", start, self.ends.load(other))
            together = builder.b.and_(reaches, builder.compare("<=", self.starts.load(other), end))
            with builder.when(together):
                self._look(other, size, (free, best, tightest))
        return builder.select(builder.lt(best.get(), 0), free.get(), best.get())

    def _look(self, other: Value, size: Value, cells: tuple[Cell, Cell, Cell]) -> None:
        """Take the gap before a block that is in the way, if it is the best so far."""
        builder, (free, best, tightest) = self.builder, cells
        offset = self.offsets.load(other)
        room = builder.sub(offset, free.get())
        better = builder.b.or_(builder.lt(best.get(), 0), builder.lt(room, tightest.get()))
        fits = builder.b.and_(builder.compare("<=", size, room), better)
        best.set(builder.select(fits, free.get(), best.get()))
        tightest.set(builder.select(fits, room, tightest.get()))
        free.set(builder.maximum(free.get(), builder.add(offset, self.sizes.load(other))))
