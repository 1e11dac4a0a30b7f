"""The gradient of `while`: a loop that walks the rounds backwards.

Nothing is kept from the forward loop. A first loop counts its rounds; then, for each round from the
last one, the values that it started from are computed again, and the gradient of the body is taken
there. What is computed again starts at the last of some checkpoints: a stack of the values that
rounds started from, of which each lies half way between the one below and the round that is wanted.
So n rounds cost some n * log2(n) / 2 rounds again. The stack has a fixed number of places; with
2 ** PLACES rounds and more, the rounds beyond the last place are computed again for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wherry.schema.dtypes import int64

from .emit import BlockEmitter, GradContext
from .found import Found
from .gradients import BACKWARD_ROLE, BlockCopier, branch_grad
from .program import Block, OpDesc, Variable

# Of the stack of checkpoints; each has room for all that a round starts from.
PLACES = 16


def while_grad(F: BlockEmitter, c: GradContext) -> tuple[None, list[Any], list[Any]]:
    """Gradients of the carries that came in (X) and of what the loop only reads (Extra)."""
    (condition, xs, extra), (outs,), (grads,) = c.inputs, c.outputs, c.grads
    loop = _Loop(F, c["block"], len(xs))
    carried = [i for i, grad in enumerate(grads) if grad is not None]
    read = [i for i, need in enumerate(c.needs[2]) if need]
    sums = [F.full(extra[i].shape, 0.0, extra[i].dtype) for i in read]
    found = loop.backwards(
        loop.count(condition, xs, extra), [*xs, *extra],
        {i: outs[i] for i in carried}, [grads[i] for i in carried], read, sums,
    )  # fmt: skip
    of_xs, of_extra = dict(zip(carried, found, strict=False)), found[len(carried) :]
    by_extra = dict(zip(read, of_extra, strict=True))
    return (
        None,
        [of_xs.get(i) for i in range(len(xs))],
        [by_extra.get(i) for i in range(len(extra))],
    )


class _Loop:
    """A loop whose body takes `carries` values that change, then those that it only reads."""

    def __init__(self, F: BlockEmitter, body: Block, carries: int) -> None:
        self.F, self.body, self.carries = F, body, carries
        # The carries that checkpoints hold; the gradient needs no others.
        self.kept: list[int] = []

    def emitter(self, block: Block) -> BlockEmitter:
        return BlockEmitter(block, self.F.loc, extra={"op_role": BACKWARD_ROLE})

    def block(self) -> Block:
        return self.F.block.program.create_block(self.F.block)

    def counter(self, block: Block, name: str) -> Variable:
        return block.add_arg(block.program.unique(name), (), int64)

    def count(
        self, condition: Variable, xs: Sequence[Variable], extra: Sequence[Variable]
    ) -> Variable:
        """How many rounds the loop makes: the loop again, with a counter as its first carry."""
        block = self.block()
        copy, done = BlockCopier(block), self.counter(block, "round")
        going, *carries = self._round(copy)
        block.results = [going, self.emitter(block).scale(done, bias=1.0), *carries]
        zero = self.F.full((), 0, int64)
        rounds: Variable = _emit_while(self.F, condition, [zero, *xs], extra, block)[0]
        return rounds

    def _round(self, copy: BlockCopier) -> list[Variable]:
        """A copy of the body with its arguments; its results."""
        for arg in self.body.args:
            copy.argument(arg)
        copy.ops(self.body.ops)
        return [copy.vars[var] for var in self.body.results]

    def backwards(
        self,
        rounds: Variable,
        values: Sequence[Variable],
        outs: dict[int, Variable],
        grads: Sequence[Variable],
        read: Sequence[int],
        sums: Sequence[Variable],
    ) -> list[Variable]:
        """The gradients of the carries `outs` before the loop, and of what is read.

        `grads` are those of the carries after the loop, `sums` zeros to which each round adds.
        """
        block = self.block()
        wanted = [*outs, *(self.carries + i for i in read)]
        # The body's first result is the next condition.
        grad = branch_grad(block, self.body, wanted, {1 + i: out for i, out in outs.items()})
        self.kept = self._kept(grad)
        zero = self.F.full((), 0, int64)
        stack = self._stack(zero, [values[i] for i in self.kept])
        E, left, top = self.emitter(block), self.counter(block, "left"), self.counter(block, "top")
        inner_stack, state = _arguments(block, stack), _arguments(block, [*grads, *sums])
        inner = _arguments(block, values)
        target = E.scale(left, bias=-1.0)
        top_now, *stack_now = self._reach(E, target, top, inner_stack, inner[self.carries :])
        found = self._body_grad(
            block, grad, self._start(E, top_now, stack_now, inner), state[: len(grads)]
        )
        added = [
            E.elementwise_add(total, one)
            for total, one in zip(state[len(grads) :], found[len(grads) :], strict=True)
        ]
        below = E.scale(top_now, bias=-1.0)
        going = E.less_than(E.full((), 0, int64), target)
        block.results = [going, target, below, *stack_now, *found[: len(grads)], *added]
        carried = [rounds, zero, *stack, *grads, *sums]
        first = self.F.less_than(zero, rounds)
        return _emit_while(self.F, first, carried, values, block)[2 + len(stack) :]

    def _kept(self, grad: Block) -> list[int]:
        """The carries that the gradient reads, and those on which they depend in a round."""
        read = _read(grad, grad.results)
        kept = {i for i, arg in enumerate(grad.args[: self.carries]) if arg in read}
        return _closed(self.body, self.carries, kept, [])

    def _stack(self, zero: Variable, xs: Sequence[Variable]) -> list[Variable]:
        """The stack with round 0 as its only checkpoint: the rounds' numbers, then each carry."""
        made = []
        for value in (zero, *xs):
            rows = self.F.full((PLACES, *value.shape), 0, value.dtype)
            made.append(_write(self.F, rows, zero, value))
        return made

    def _start(
        self, F: BlockEmitter, top: Variable, stack: Sequence[Variable], values: Sequence[Variable]
    ) -> list[Variable]:
        """All arguments of the body as they are at the checkpoint on top.

        Those that nothing reads are what `values`, the carries and what is read, has there.
        """
        start = list(values)
        for i, rows in zip(self.kept, stack[1:], strict=True):
            start[i] = _top(F, rows, top)
        return start

    def _reach(
        self, F: BlockEmitter, target: Variable, top: Variable, stack: Sequence[Variable],
        extra: Sequence[Variable],
    ) -> list[Variable]:  # fmt: skip
        """Add checkpoints until the one on top is that of the round `target`.

        Returns the place of the top and the stack.
        """
        block = F.block.program.create_block(F.block)
        E, at, place = self.emitter(block), self.counter(block, "at"), self.counter(block, "top")
        rows, read = _arguments(block, stack), _arguments(block, extra)
        (wanted,) = _arguments(block, [target])
        rest = E.elementwise_sub(wanted, at)
        half = E.elementwise_floordiv(E.scale(rest, bias=1.0), E.full((), 2, int64))
        free = E.less_than(place, E.full((), PLACES - 2, int64))
        step = E.where(free, half, rest)
        carries = [_top(E, one, place) for one in rows[1:]]
        after, above = E.elementwise_add(at, step), E.scale(place, bias=1.0)
        found = [after, *self._replay(E, step, carries, read)]
        written = [_write(E, one, above, value) for one, value in zip(rows, found, strict=True)]
        block.results = [E.less_than(after, wanted), after, above, *written]
        mark = _top(F, stack[0], top)
        first = F.less_than(mark, target)
        return _emit_while(F, first, [mark, top, *stack], [*extra, target], block)[1:]

    def _replay(
        self, F: BlockEmitter, rounds: Variable, xs: Sequence[Variable], extra: Sequence[Variable]
    ) -> list[Variable]:
        """The carries that are kept after that many rounds, at least one, from these."""
        block = F.block.program.create_block(F.block)
        copy, done = BlockCopier(block), self.counter(block, "round")
        for i in (*self.kept, *range(self.carries, len(self.body.args))):
            copy.argument(self.body.args[i])
        (last,) = _arguments(block, [rounds])
        E = self.emitter(block)
        results = [self.body.results[1 + i] for i in self.kept]
        copy.ops(_needed(self.body, results))
        after = E.scale(done, bias=1.0)
        block.results = [E.less_than(after, last), after, *(copy.vars[var] for var in results)]
        zero = F.full((), 0, int64)
        first = F.less_than(zero, rounds)
        return _emit_while(F, first, [zero, *xs], [*extra, rounds], block)[1:]

    def _body_grad(
        self, block: Block, grad: Block, values: Sequence[Variable], grads: Sequence[Variable]
    ) -> list[Variable]:
        """The gradient of one round, written into the block on these values."""
        copy = BlockCopier(block)
        copy.vars.update(zip(grad.args, [*values, *grads], strict=True))
        copy.ops(_needed(grad, grad.results))
        return [copy.vars[var] for var in grad.results]


def _arguments(block: Block, like: Sequence[Variable]) -> list[Variable]:
    return [
        block.add_arg(
            block.program.unique(f"{var.name}.in"), var.shape, var.dtype,
            stop_gradient=var.stop_gradient,
        )
        for var in like
    ]  # fmt: skip


def _top(F: BlockEmitter, rows: Variable, place: Variable) -> Variable:
    """The row at a place: [PLACES, *shape] -> shape."""
    row = F.index_select(rows, F.reshape2(place, shape=[1]), dim=0)
    found: Variable = F.reshape2(row, shape=list(rows.shape[1:]))
    return found


def _write(F: BlockEmitter, rows: Variable, place: Variable, value: Variable) -> Variable:
    row = F.reshape2(value, shape=[1, *value.shape])
    found: Variable = F.scatter(rows, F.reshape2(place, shape=[1]), row, overwrite=True)
    return found


def _needed(block: Block, results: Iterable[Variable]) -> list[OpDesc]:
    """The ops that these results need."""
    read, found = _read(block, results), Found(block.program)
    return [op for op in block.ops if read.intersection(found.gives(op))]


def _read(block: Block, results: Iterable[Variable]) -> set[Variable | str]:
    """What a block reads to give these results, and the sizes that it mentions."""
    read, found = set[Variable | str](results), Found(block.program)
    for op in reversed(block.ops):
        if read.intersection(found.gives(op)):
            read.update(_read_by(op, read), found.uses(op))
    return read


def _read_by(op: OpDesc, wanted: set[Variable | str]) -> list[Variable]:
    """What an op reads to give those of its outputs that are wanted."""
    outs = [i for i, var in enumerate(op.out_vars) if var in wanted]
    if op.type == "cond":
        blocks = [op.attrs["true_block"], op.attrs["false_block"]]
        reads = [_read(one, [one.results[i] for i in outs]) for one in blocks]
        pairs = [(one.args, read) for one, read in zip(blocks, reads, strict=True)]
        xs = op.inputs.get("X", [])
        found = [x for i, x in enumerate(xs) if any(args[i] in read for args, read in pairs)]
        return [*op.inputs["Cond"], *found]
    if op.type == "while":
        body: Block = op.attrs["block"]
        xs = op.inputs.get("X", [])
        kept = _closed(body, len(xs), set(outs), [body.results[0]])
        read = _read(body, [body.results[0], *(body.results[1 + i] for i in kept)])
        extras = zip(op.inputs.get("Extra", []), body.args[len(xs) :], strict=True)
        return [
            *op.inputs["Condition"],
            *(xs[i] for i in kept),
            *(x for x, arg in extras if arg in read),
        ]
    return op.in_vars


def _closed(body: Block, carries: int, kept: set[int], also: Sequence[Variable]) -> list[int]:
    """These carries, and those that a round reads for them or for what is `also` wanted."""
    while True:
        read = _read(body, [*also, *(body.results[1 + i] for i in kept)])
        more = kept | {i for i, arg in enumerate(body.args[:carries]) if arg in read}
        if more == kept:
            return sorted(kept)
        kept = more


def _emit_while(
    F: BlockEmitter, condition: Any, xs: Sequence[Any], extra: Sequence[Any], block: Block
) -> list[Any]:
    emit = getattr(F, "while")
    found: list[Any] = emit(condition, list(xs), list(extra), block=block)
    return found
