"""Integer arithmetic on sizes and indices, and loops: what kernels and the native entry share.

An `Index` is a Python int where the value is known when compiling, else an i64 register.
Arithmetic on ints stays in Python, so that a kernel over static shapes is straight constants.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from llvmlite import ir

from wherry.ir.dims import Dim, fold, symbols_of

Value: TypeAlias = Any  # llvmlite.ir.Value; the package is not annotated
Index: TypeAlias = Any  # int | Value

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
POINTER = ir.PointerType()
NO_WRAP = ("nuw", "nsw")


def i64(value: Index) -> Value:
    """The index as an i64 register or constant."""
    return ir.Constant(I64, value) if isinstance(value, int) else value


class IndexBuilder:
    """Emits into one function: sizes, index arithmetic, loops and branches.

    `symbols` maps a symbol's name to its place in the array `dims` (i64*). The values of those that
    are `late` change while the function runs.
    """

    def __init__(
        self, function: Value, dims: Value, symbols: Mapping[str, int],
        late: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.function, self.dims, self.symbols, self.late = function, dims, symbols, late
        self.entry = function.append_basic_block("entry")
        body = function.append_basic_block("body")
        ir.IRBuilder(self.entry).branch(body)
        self.b: Any = ir.IRBuilder(body)
        self._dims: dict[str, Value] = {}

    @contextmanager
    def at_entry(self) -> Iterator[None]:
        """Emit what follows into the function's entry, which dominates everything."""
        if self.b.block is self.entry:
            yield
            return
        with self.b.goto_entry_block():
            yield

    def dim(self, dim: Dim) -> Index:
        """The size: an int where it is static, else a register computed once at the entry, or
        here where it is late.
        """
        if isinstance(dim, int):
            return dim
        if self.late and any(name in self.late for name in symbols_of(dim)):
            return fold(dim, self._symbol_here, self._apply)
        key = str(dim)
        if key not in self._dims:
            with self.at_entry():
                self._dims[key] = fold(dim, self._symbol, self._apply)
        return self._dims[key]

    def _symbol(self, name: str) -> Value:
        if name not in self._dims:
            self._dims[name] = self.b.load(self.symbol_place(name), typ=I64)
        return self._dims[name]

    def _symbol_here(self, name: str) -> Value:
        if name in self.late:
            return self.b.load(self.symbol_place(name), typ=I64)
        with self.at_entry():
            return self._symbol(name)

    def symbol_place(self, name: str) -> Value:
        """The address of a symbol's value."""
        return self.b.gep(self.dims, [i64(self.symbols[name])], True, source_etype=I64)

    def _apply(self, fn: str, a: Index, b: Index) -> Index:
        operations: dict[str, Callable[[Index, Index], Index]] = {
            "+": self.add, "*": self.mul, "//": self.floordiv, "%": self.floormod,
            "min": self.minimum, "max": self.maximum,
        }  # fmt: skip
        return operations[fn](a, b)

    def alloca(self, type: Any, count: int = 1, align: int = 64) -> Value:
        """Stack memory that lives as long as the call."""
        with self.at_entry():
            place = self.b.alloca(type, count)
            place.align, place.type = align, POINTER
        return place

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(b, int) and b == 0:
            return a
        if isinstance(a, int) and a == 0:
            return b
        return self.b.add(i64(a), i64(b), flags=("nsw",))

    def sub(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        if isinstance(b, int) and b == 0:
            return a
        return self.b.sub(i64(a), i64(b), flags=("nsw",))

    def mul(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        for known, other in ((a, b), (b, a)):
            if isinstance(known, int) and known in (0, 1):
                return other if known else 0
        return self.b.mul(i64(a), i64(b), flags=("nsw",))

    def div(self, a: Index, b: Index) -> Index:
        """a // b for a >= 0 and b > 0."""
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return a if isinstance(b, int) and b == 1 else self.b.udiv(i64(a), i64(b))

    def rem(self, a: Index, b: Index) -> Index:
        """a % b for a >= 0 and b > 0."""
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        return 0 if isinstance(b, int) and b == 1 else self.b.urem(i64(a), i64(b))

    def floormod(self, a: Index, b: Index) -> Index:
        """a % b as in Python; 0 where b is 0 (a guard refuses that call)."""
        if isinstance(a, int) and isinstance(b, int) and b:
            return a % b
        by = b if isinstance(b, int) and b else self.select(self.eq(b, 0), 1, b)
        rest = self.b.srem(i64(a), i64(by))
        negative = self.b.icmp_signed("<", self.b.xor(rest, i64(by)), i64(0))
        wrong = self.b.and_(negative, self.ne(rest, 0))
        return self.select(wrong, self.b.add(rest, i64(by)), rest)

    def floordiv(self, a: Index, b: Index) -> Index:
        """a // b as in Python; where b is 0, some number (a guard refuses that call)."""
        if isinstance(a, int) and isinstance(b, int) and b:
            return a // b
        by = b if isinstance(b, int) and b else self.select(self.eq(b, 0), 1, b)
        return self.b.sdiv(self.b.sub(i64(a), i64(self.floormod(a, by))), i64(by))

    def compare(self, relation: str, a: Index, b: Index) -> Value:
        """An i1; relation is one of == != < <= > >=, signed."""
        return self.b.icmp_signed(relation, i64(a), i64(b))

    def eq(self, a: Index, b: Index) -> Value:
        return self.compare("==", a, b)

    def ne(self, a: Index, b: Index) -> Value:
        return self.compare("!=", a, b)

    def lt(self, a: Index, b: Index) -> Value:
        return self.compare("<", a, b)

    def select(self, condition: Value, a: Index, b: Index) -> Index:
        return self.b.select(condition, i64(a), i64(b))

    def minimum(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.select(self.lt(a, b), a, b)

    def maximum(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.select(self.lt(a, b), b, a)

    @contextmanager
    def loop(
        self, stop: Index, start: Index = 0, step: int = 1, plain: bool = False, unroll: int = 0
    ) -> Iterator[Index]:
        """`for i in range(start, stop, step)`, step > 0. A loop of one round is no loop.

        LLVM unrolls only loops that ask for it (it takes long, and few gain) and does not
        vectorize a `plain` one.
        """
        if isinstance(stop, int) and isinstance(start, int) and 0 <= stop - start <= step:
            if stop > start:
                yield start
            else:
                with self.dead():
                    yield 0
            return
        before = self.b.block
        header, body, after = (
            self.function.append_basic_block(n) for n in ("head", "loop", "after")
        )
        self.b.branch(header)
        self.b.position_at_end(header)
        i = self.b.phi(I64, "i")
        i.add_incoming(i64(start), before)
        self.b.cbranch(self.lt(i, stop), body, after)
        self.b.position_at_end(body)
        yield i
        following = self.b.add(i, i64(step), flags=NO_WRAP)
        i.add_incoming(following, self.b.block)
        back = self.b.branch(header)
        if plain or unroll:
            back.set_metadata("llvm.loop", self._loop_hints(plain, unroll))
        self.b.position_at_end(after)

    def _loop_hints(self, plain: bool, unroll: int) -> Any:
        """The metadata of one loop: a node that, as LLVM wants it, starts with itself."""
        module = self.function.module
        hints: list[tuple[str, Value]] = []
        if plain:
            hints.append(("llvm.loop.vectorize.enable", ir.Constant(I1, 0)))
        if unroll:
            hints.append(("llvm.loop.unroll.count", ir.Constant(I32, unroll)))
        nodes = [
            module.add_metadata([ir.MetaDataString(module, name), value]) for name, value in hints
        ]
        loop = module.add_metadata([i64(len(module.metadata)), *nodes])
        loop.operands = (loop, *nodes)
        return loop

    @contextmanager
    def dead(self) -> Iterator[None]:
        """Code that never runs: LLVM drops it."""
        with self.b.if_then(ir.Constant(I1, 0)):
            yield

    @contextmanager
    def nest(self, shape: Sequence[Dim]) -> Iterator[tuple[Index, ...]]:
        """A loop for each size of the shape, the last one innermost; gives the indices."""
        if not shape:
            yield ()
            return
        with self.loop(self.dim(shape[0])) as i, self.nest(shape[1:]) as rest:
            yield (i, *rest)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Code that runs if the i1 is true."""
        with self.b.if_then(condition):
            yield

    def either(self, condition: Value, then: Callable[[], None], other: Callable[[], None]) -> None:
        """Two branches, each emitted by a function."""
        with self.b.if_else(condition) as (yes, no):
            with yes:
                then()
            with no:
                other()

    def while_loop(self, condition: Callable[[], Value], body: Callable[[], None]) -> None:
        """`while condition(): body()`; state lives in memory (`Cell`, buffers)."""
        head, inside, after = (self.function.append_basic_block(n) for n in ("while", "do", "done"))
        self.b.branch(head)
        self.b.position_at_end(head)
        self.b.cbranch(condition(), inside, after)
        self.b.position_at_end(inside)
        body()
        self.b.branch(head)
        self.b.position_at_end(after)

    def keep_order(self) -> None:
        """What stands above this reads and writes memory before what follows. It is no instruction.

        LLVM may begin straight code with all that it reads, for which there are too few registers.
        """
        self.b.fence("seq_cst", "singlethread")

    def cell(self, initial: Value) -> Cell:
        """A variable of this function, such as an accumulator, with its first value."""
        cell = Cell(self, initial.type)
        cell.set(initial)
        return cell

    def offset(self, index: Sequence[Index], strides: Sequence[Index]) -> Index:
        """The sum of index * stride."""
        total: Index = 0
        for i, stride in zip(index, strides, strict=True):
            total = self.add(total, self.mul(i, stride))
        return total


class Cell:
    """A variable in the function's frame; LLVM makes it a register."""

    def __init__(self, builder: IndexBuilder, type: Any) -> None:
        self.builder, self.type = builder, type
        self.place = builder.alloca(type, align=_natural(type))

    def get(self) -> Value:
        return self.builder.b.load(self.place, typ=self.type)

    def set(self, value: Value) -> None:
        self.builder.b.store(value, self.place)


def _natural(type: Any) -> int:
    return 64 if isinstance(type, ir.VectorType) else 8
