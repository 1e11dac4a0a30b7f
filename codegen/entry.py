"""The two functions that callers see: `plan` and `run` (see `wherry.runtime.abi`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.found import Found, branch_sizes, check_of, loop_sizes
from wherry.ir.infer import Guard
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.ir.work import byte_size
from wherry.runtime.abi import (
    ERROR_ASSERT,
    ERROR_INTERRUPT,
    ERROR_SIZE,
    INTERRUPT,
    SIGNALS_PAGE,
)
from wherry.schema.dtypes import int64
from wherry.schema.host import HOST

from .arena import Words, emit_check, emit_lay_out, place_of
from .ctx import CtxFields
from .index import I8, I32, I64, POINTER, Index, IndexBuilder, Value, i64
from .kernels.registry import find_lowering
from .kernels.views import EFFECTS, VIEWS
from .memory import Buffer, MemoryPlan, resolve
from .module import ModuleBuilder
from .packing import aligned

PLAN_TYPE = ir.FunctionType(I32, [POINTER] * 3)
RUN_TYPE = ir.FunctionType(I32, [POINTER])
WEIGHTS = "wherry_weights"
# The pointwise ops that may stop the call; a fusion is reported as the first of them in it.
DIVISIONS = frozenset({"elementwise_floordiv", "elementwise_mod"})


def emit_plan(
    module: ModuleBuilder, name: str, symbols: Mapping[str, int], guards: Sequence[Guard],
    sizes: Sequence[Dim], memory_plan: MemoryPlan, lay_out: Value | None, spare: Sequence[Dim],
) -> None:  # fmt: skip
    """`plan`: checks the guards, writes the outputs' `sizes`, the arena's, and a spare piece's.

    `symbols` are those that inputs show; `lay_out` gives the arena's size where it is not known.
    `spare` are the sizes of what each further thread needs, in turn; it lies behind the arena.
    """
    function = module.export(name, PLAN_TYPE)
    dims, out_dims, memory = function.args
    builder = IndexBuilder(function, dims, symbols)
    for number, guard in enumerate(guards, 1):
        left, right = builder.dim(guard.left), builder.dim(guard.right)
        holds = _holds(builder, left, guard.relation, right)
        with builder.b.if_then(builder.b.not_(holds), likely=False):
            builder.b.ret(ir.Constant(I32, number))
    for place, size in enumerate(sizes):
        address = builder.b.gep(out_dims, [i64(place)], True, source_etype=I64)
        builder.b.store(i64(builder.dim(size)), address)
    largest: Index = 0
    for piece in spare:
        largest = builder.maximum(largest, builder.dim(piece))
    arena: Index = memory_plan.arena_size
    if lay_out is not None:
        table = builder.alloca(I64, memory_plan.table_bytes // 8)
        arena = builder.b.call(lay_out, [dims, table])
    elif spare:
        arena = aligned(memory_plan.arena_size)
    builder.b.store(i64(arena), memory)
    builder.b.store(i64(largest), builder.b.gep(memory, [i64(1)], True, source_etype=I64))
    builder.b.ret(ir.Constant(I32, 0))


def _holds(builder: IndexBuilder, left: Index, relation: str, right: Index) -> Value:
    """An i1: the relation is true (the native form of `Guard.holds`)."""
    if relation == "<=":
        return builder.compare("<=", left, right)
    holds = builder.eq(left, right)
    if relation in ("1 or ==", "broadcast"):
        holds = builder.b.or_(holds, builder.eq(left, 1))
    if relation == "broadcast":
        holds = builder.b.or_(holds, builder.eq(right, 1))
    return holds


class RunEmitter:
    """Emits `run`: kernels, branches and loops in the Program's order, as straight code."""

    def __init__(
        self, module: ModuleBuilder, name: str, plan: MemoryPlan, constants: Sequence[int],
        found: Found,
    ) -> None:  # fmt: skip
        self.module, self.plan, self.constants, self.found = module, plan, constants, found
        self.lay_out = emit_lay_out(module, plan) if plan.symbols else None
        self.function = module.export(name, RUN_TYPE)
        (self.ctx_pointer,) = self.function.args
        self.builder = IndexBuilder(self.function, self.ctx_pointer, module.symbols, found.names)
        self.ctx = CtxFields(self.builder, self.ctx_pointer)
        with self.builder.at_entry():
            self.inputs, self.outputs, self.dims, self.arena = (
                self.ctx.load(field, POINTER) for field in ("inputs", "outputs", "dims", "arena")
            )
            if self.lay_out is not None:
                self.builder.b.call(emit_check(module, plan, self.lay_out), [self.dims, self.arena])
        self.builder.dims = self.dims
        self.sites: dict[OpDesc, int] = {}
        # What lies behind the arena, for further threads: the sizes that kernels need, and where.
        self.spare: list[Dim] = []
        self._end = Buffer(0, 0, 0)
        self._pointers: dict[Buffer, Value] = {}

    def run(self, program: Program, outputs: Sequence[Variable]) -> list[OpDesc]:
        """Emit everything; gives the ops that the code names by number: those that may fail."""
        self.block(program.global_block)
        for index, var in enumerate(outputs):
            if index not in self.plan.at_home:
                self.copy(self.plan.of(var), self._table_entry(self.outputs, index), byte_size(var))
        if self.found:
            self.write_sizes([dim for var in outputs for dim in var.shape])
        self.builder.b.ret(ir.Constant(I32, 0))
        return list(self.sites)

    def begin_sizes(self, shown: Mapping[str, int]) -> None:
        """Sizes that the run finds are 0 at first, or what an input shows of one."""
        b = self.builder.b
        for name in self.found.names:
            value = i64(0)
            if name in shown:
                known = b.gep(self.dims, [i64(shown[name])], True, source_etype=I64)
                value = b.load(known, typ=I64)
            b.store(value, self.builder.symbol_place(name))

    def set_sizes(self, values: Mapping[str, Dim]) -> None:
        """Give sizes new values, all at once."""
        found = {name: self.builder.dim(value) for name, value in values.items()}
        for name, value in found.items():
            self.builder.b.store(i64(value), self.builder.symbol_place(name))

    def write_sizes(self, sizes: Sequence[Dim]) -> None:
        """Tell the caller what the outputs' sizes are."""
        b, table = self.builder.b, self.ctx.load("sizes", POINTER)
        for place, size in enumerate(sizes):
            address = b.gep(table, [i64(place)], True, source_etype=I64)
            b.store(i64(self.builder.dim(size)), address)

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.op(op)

    def op(self, op: OpDesc) -> None:
        structured: dict[str, Callable[[OpDesc], None]] = {
            "cond": self.cond, "while": self.while_, "print": self.print_, "assert": self.assert_,
            "check_size": self.check_size,
        }  # fmt: skip
        if op.type in structured:
            structured[op.type](op)
        elif op.type in HOST:
            self.host(op)
        elif op.type not in VIEWS and op.type not in EFFECTS:
            self.kernel(op)

    def kernel(self, op: OpDesc) -> None:
        """Call the op's kernel; stop with its code where it fails."""
        placed, first = find_lowering(op).placed(op)
        numbers: dict[Buffer, int] = {}
        places = {
            var: numbers.setdefault(self.plan.of(var), len(numbers))
            for var in (*op.in_vars, *op.out_vars)
        }
        arguments = [self.pointer(buffer) for buffer in numbers]
        if first != 0:
            source = op.in_vars[0]
            arguments[places[source]] = self._offset(
                arguments[places[source]], self.builder.dim(first * source.dtype.itemsize)
            )
        scratch = self.plan.scratch.get(op)
        if scratch is not None:
            arguments.append(self.pointer(scratch))
        kernel = self.module.kernel(placed, places, None if scratch is None else scratch.size)
        site = self.site(op) if kernel.can_fail else -1
        b = self.builder.b
        own = [self.ctx_pointer, *arguments, self.dims, i64(site)]
        if kernel.enter is None:
            code = b.call(kernel.function, [*own, i64(0), i64(1)])
        else:
            if scratch is not None:
                self.spare.append(aligned(scratch.size))
            steps = i64(self.builder.dim(kernel.steps))
            code = b.call(kernel.enter, [*own, self.pointer(self._end), steps])
        if kernel.can_fail:
            failed = b.icmp_signed("!=", code, ir.Constant(I32, 0))
            with b.if_then(failed, likely=False):
                b.ret(code)

    def cond(self, op: OpDesc) -> None:
        sizes = branch_sizes(op)

        def branch(block: Block, side: int) -> Callable[[], None]:
            def emit() -> None:
                self.block(block)
                for result, out in zip(block.results, op.out_vars, strict=True):
                    self.move(result, out)
                self.set_sizes({name: both[side] for name, both in sizes.items()})

            return emit

        condition = self.truth(self.plan.of(op.inputs["Cond"][0]))
        yes, no = branch(op.attrs["true_block"], 0), branch(op.attrs["false_block"], 1)
        self.builder.either(condition, yes, no)

    def while_(self, op: OpDesc) -> None:
        block: Block = op.attrs["block"]
        condition, *spare = (resolve(buffer) for buffer in self.plan.carried[op])
        results = list(zip(block.results[1:], spare, op.out_vars, strict=True))
        self.copy(self.plan.of(op.inputs["Condition"][0]), self.pointer(condition), 1)
        carried = loop_sizes(op)
        self.set_sizes({name: start for name, (start, _) in carried.items()})
        for var, out in zip(op.inputs.get("X", []), op.out_vars, strict=True):
            self.move(var, out)

        def body() -> None:
            self.block(block)
            self.copy(self.plan.of(block.results[0]), self.pointer(condition), 1)
            for result, buffer, _ in results:
                self.copy(self.plan.of(result), self.pointer(buffer), byte_size(result))
            for result, buffer, out in results:
                self.copy(buffer, self.pointer(self.plan.of(out)), byte_size(result))
            self.set_sizes({name: end for name, (_, end) in carried.items()})
            self.leave_if_interrupted()

        self.builder.while_loop(lambda: self.truth(condition), body)

    def leave_if_interrupted(self) -> None:
        """End the call at the number of SIGINT; pass over those of other signals."""
        b, signals = self.builder.b, self.ctx.load("signals", POINTER)
        number = b.load_atomic(signals, "monotonic", 1, typ=I8)
        with b.if_then(b.icmp_unsigned("!=", number, ir.Constant(I8, 0)), likely=False):
            with b.if_then(b.icmp_unsigned("==", number, ir.Constant(I8, INTERRUPT))):
                b.ret(ir.Constant(I32, ERROR_INTERRUPT))
            after = b.add(b.ptrtoint(signals, I64), i64(1))
            is_last = b.icmp_unsigned("==", b.and_(after, i64(SIGNALS_PAGE - 1)), i64(0))
            self.ctx.store("signals", b.select(is_last, b.ptrtoint(signals, I64), after))

    def print_(self, op: OpDesc) -> None:
        var = op.in_vars[0]
        dims = [self.builder.dim(dim) for dim in var.shape]
        data = self.pointer(self.plan.of(var))
        self.ctx.print_tensor(self.site(op), var.dtype.code, dims, data)

    def host(self, op: OpDesc) -> None:
        """Let the caller compute the op; stop where it fails."""
        b = self.builder.b
        inputs, outputs = (
            [(var.dtype.code, [self.builder.dim(dim) for dim in var.shape],
              self.pointer(self.plan.of(var))) for var in vars_]
            for vars_ in (op.in_vars, op.out_vars)
        )  # fmt: skip
        code = self.ctx.host_call(self.site(op), inputs, outputs)
        with b.if_then(b.icmp_signed("!=", code, ir.Constant(I32, 0)), likely=False):
            b.ret(code)

    def assert_(self, op: OpDesc) -> None:
        b = self.builder.b
        holds = self.truth(self.plan.of(op.inputs["Cond"][0]))
        with b.if_then(b.not_(holds), likely=False):
            data = op.inputs.get("Data") or []
            is_size = bool(data) and data[0].dtype is int64
            value = b.load(self.pointer(self.plan.of(data[0])), typ=I64) if is_size else 0
            self.ctx.record_error(self.site(op), ERROR_ASSERT, 0, value)
            b.ret(ir.Constant(I32, ERROR_ASSERT))

    def check_size(self, op: OpDesc) -> None:
        b, (left, relation, right) = self.builder.b, check_of(op)
        sides = self.builder.dim(left), self.builder.dim(right)
        holds = _holds(self.builder, sides[0], relation, sides[1])
        with b.if_then(b.not_(holds), likely=False):
            self.ctx.record_error(self.site(op), ERROR_SIZE, *sides)
            b.ret(ir.Constant(I32, ERROR_SIZE))

    def site(self, op: OpDesc) -> int:
        """The number under which the runtime finds the op's name and the user's line."""
        if op.type == "fusion":
            op = next((one for one in op.attrs["block"].ops if one.type in DIVISIONS), op)
        return self.sites.setdefault(op, len(self.sites))

    def truth(self, buffer: Buffer) -> Value:
        """The bool that lies there, as an i1."""
        byte = self.builder.b.load(self.pointer(buffer), typ=I8)
        return self.builder.b.icmp_unsigned("!=", byte, ir.Constant(I8, 0))

    def move(self, source: Variable, target: Variable) -> None:
        """Copy a value to another Variable's memory, unless they share it."""
        self.copy(self.plan.of(source), self.pointer(self.plan.of(target)), byte_size(source))

    def copy(self, source: Buffer, target: Value, size: Dim) -> None:
        origin = self.pointer(source)
        if origin is target:
            return
        name = "llvm.memcpy.p0.p0.i64"
        intrinsic = self.module.module.globals.get(name) or ir.Function(
            self.module.module,
            ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)]),
            name,
        )
        count = i64(self.builder.dim(size))
        self.builder.b.call(intrinsic, [target, origin, count, ir.Constant(ir.IntType(1), 0)])

    def pointer(self, buffer: Buffer) -> Value:
        """The address of a buffer; computed once, at the function's entry."""
        key = self._key(buffer)
        if key not in self._pointers:
            with self.builder.at_entry():
                self._pointers[key] = self._address(buffer)
        return self._pointers[key]

    def _key(self, buffer: Buffer) -> Any:
        return buffer if buffer.place == "arena" else (buffer.place, buffer.index)

    def _address(self, buffer: Buffer) -> Value:
        if buffer is self._end or buffer.place == "arena":
            return self._offset(self.arena, self._in_arena(buffer))
        if buffer.place == "constant":
            return self._offset(self._weights(), self.constants[buffer.index])
        table = self.inputs if buffer.place == "input" else self.outputs
        return self._load_pointer(table, buffer.index)

    def _in_arena(self, buffer: Buffer) -> Index:
        """Where a buffer, or the memory for further threads, begins."""
        if self.lay_out is None:
            return aligned(self.plan.arena_size) if buffer is self._end else buffer.offset
        arena = self.plan.arena
        number = len(arena) if buffer is self._end else arena.index(buffer)
        return Words(self.builder, self.arena).load(place_of(self.plan, number))

    def _table_entry(self, table: Value, index: int) -> Value:
        """The pointer at `index`; the same register for the same entry."""
        place = "input" if table is self.inputs else "output"
        return self.pointer(Buffer(0, 0, 0, place, index))

    def _load_pointer(self, table: Value, index: int) -> Value:
        b = self.builder.b
        return b.load(b.gep(table, [i64(index)], True, source_etype=POINTER), typ=POINTER)

    def _offset(self, base: Value, offset: Any) -> Value:
        return self.builder.b.gep(base, [i64(offset)], True, source_etype=I8)

    def _weights(self) -> Value:
        """The symbol of the embedded weights, which the linker defines."""
        found = self.module.module.globals.get(WEIGHTS)
        if found is None:
            found = ir.GlobalVariable(self.module.module, ir.ArrayType(I8, 0), WEIGHTS)
            # llvmlite has no field for the visibility; it prints this one in its place.
            found.global_constant, found.storage_class = True, "hidden"
        return found
