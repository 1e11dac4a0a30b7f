"""Kernels on several threads: who decides that one is worth it, and how its shares are run.

A kernel whose outermost loop is `kb.parallel` runs the rounds of one share of several. Two more
functions stand around it:

    i32 enter(ctx, buffers..., dims, site, spare, work)     alone, or by the pool's fork_join
    void task(args, share, shares, thread)                  one share; `args` are enter's

Thread 0 works in the kernel's own scratch memory, the others in pieces of `spare`. The error that
counts is that of the first share that has one: that of the first round, as without threads.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.program import OpDesc
from wherry.ir.work import work_of
from wherry.runtime.abi import CTX_FIELDS, ERROR_FIELDS

from .ctx import CtxFields
from .index import I8, I32, I64, POINTER, IndexBuilder, Value, i64
from .packing import aligned

TASK_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, I64])
FORK_JOIN_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, I64])

# Work is counted in steps, of which a core does some 1000 in a microsecond.
_FLOPS_PER_STEP, _BYTES_PER_STEP = 32, 16
# The least that is worth handing over, and how many shares even out the threads' speeds.
SHARE_STEPS: Final = 5000
SHARES_PER_THREAD: Final = 4


def steps_of(op: OpDesc) -> Dim:
    """About how long a kernel takes, in steps."""
    work = work_of(op)
    return work.flops // _FLOPS_PER_STEP + work.bytes // _BYTES_PER_STEP


def is_small(steps: Dim) -> bool:
    """Whether it is known that one thread does this work."""
    return isinstance(steps, int) and steps < 2 * SHARE_STEPS


class SharedKernel:
    """Emits `enter` and `task` for a kernel with this many buffers.

    `scratch` is the size of its scratch memory, the last of its buffers, or None.
    """

    def __init__(
        self, kernel: Value, symbols: Any, buffers: int, scratch: Dim | None, can_fail: bool
    ) -> None:
        self.kernel, self.symbols, self.buffers = kernel, symbols, buffers
        self.scratch, self.can_fail = scratch, can_fail
        # The words of `args`: the kernel's arguments but its share; spare and the size of a piece;
        # the first share with an error, the error's code, and a lock for them.
        self.own = buffers + 3
        self.spare, self.piece, self.failed, self.code, self.lock = range(self.own, self.own + 5)

    def enter(self) -> Value:
        """The function that the Program calls."""
        types = [POINTER, *([POINTER] * self.buffers), POINTER, I64, POINTER, I64]
        function = self._function("enter", ir.FunctionType(I32, types))
        own, (spare, steps) = function.args[: self.own], function.args[self.own :]
        builder = IndexBuilder(function, function.args[self.buffers + 1], self.symbols)
        b, ctx = builder.b, CtxFields(builder, function.args[0])
        pool, threads = ctx.load("pool", POINTER), ctx.load("threads", I64)
        shares = builder.minimum(
            builder.mul(threads, SHARES_PER_THREAD), builder.div(steps, SHARE_STEPS)
        )
        several = b.and_(builder.lt(1, threads), builder.lt(1, shares))
        with b.if_then(b.and_(several, b.icmp_unsigned("!=", pool, ir.Constant(POINTER, None)))):
            args = builder.alloca(I64, self.lock + 1)
            piece = 0 if self.scratch is None else builder.dim(aligned(self.scratch))
            for place, word in enumerate([*own, spare, i64(piece), i64(-1), i64(0), i64(0)]):
                b.store(word, self._place(builder, args, place))
            fork_join = b.load(pool, typ=FORK_JOIN_TYPE.as_pointer())
            b.call(fork_join, [pool, self._task(), args, shares, threads])
            b.ret(b.trunc(self._word(builder, args, self.code, I64), I32))
        b.ret(b.call(self.kernel, [*own, i64(0), i64(1)]))
        return function

    def _function(self, what: str, type: Any) -> Value:
        function = ir.Function(self.kernel.module, type, f"{self.kernel.name}_{what}")
        function.linkage = "internal"
        for attribute in ("nounwind", "noinline"):
            function.attributes.add(attribute)
        return function

    def _place(self, builder: IndexBuilder, args: Value, word: int) -> Value:
        return builder.b.gep(args, [i64(word)], True, source_etype=I64)

    def _word(self, builder: IndexBuilder, args: Value, word: int, type: Any) -> Value:
        return builder.b.load(self._place(builder, args, word), typ=type)

    def _task(self) -> Value:
        function = self._function("task", TASK_TYPE)
        args, share, shares, thread = function.args
        builder = IndexBuilder(function, args, {})
        types = [argument.type for argument in self.kernel.args[: self.own]]
        own = [self._word(builder, args, place, kind) for place, kind in enumerate(types)]
        if self.scratch is not None:
            own[self.buffers] = self._scratch(builder, args, own[self.buffers], thread)
        if not self.can_fail:
            builder.b.call(self.kernel, [*own, share, shares])
        else:
            record = builder.alloca(I64, len(CTX_FIELDS))
            code = builder.b.call(self.kernel, [record, *own[1:], share, shares])
            with builder.b.if_then(builder.ne(builder.b.zext(code, I64), 0), likely=False):
                self._fail(builder, args, share, builder.b.zext(code, I64), record)
        builder.b.ret_void()
        return function

    def _scratch(self, builder: IndexBuilder, args: Value, first: Value, thread: Value) -> Value:
        """The scratch memory of a thread."""
        b = builder.b
        spare = self._word(builder, args, self.spare, POINTER)
        piece = self._word(builder, args, self.piece, I64)
        place = builder.mul(builder.sub(thread, 1), piece)
        own = b.gep(spare, [place], True, source_etype=I8)
        return b.select(builder.eq(thread, 0), first, own)

    def _fail(
        self, builder: IndexBuilder, args: Value, share: Value, code: Value, record: Value
    ) -> None:
        """Keep the error if no share before this one has one."""
        b, lock = builder.b, self._place(builder, args, self.lock)

        def taken() -> Value:
            swapped = b.cmpxchg(lock, i64(0), i64(1), "acquire", "monotonic")
            return b.not_(b.extract_value(swapped, 1))

        builder.while_loop(taken, lambda: None)
        best = self._word(builder, args, self.failed, I64)
        with b.if_then(b.icmp_unsigned("<", share, best)):
            b.store(share, self._place(builder, args, self.failed))
            b.store(code, self._place(builder, args, self.code))
            found = CtxFields(builder, record)
            ctx = CtxFields(builder, self._word(builder, args, 0, POINTER))
            for field in ERROR_FIELDS:
                ctx.store(field, found.load(field, I64))
        b.atomic_rmw("xchg", lock, i64(0), "release")
