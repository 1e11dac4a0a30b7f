"""The gradient of `while`: a loop that walks the rounds backwards.

Nothing is kept from the forward loop. A first loop counts its rounds; then, for each round from the
last one, the values that it started from are computed again from the beginning, and the gradient of
the body is taken there. So n rounds cost some n * n / 2 rounds again, and no memory that grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.schema.dtypes import int64

from .emit import BlockEmitter, GradContext
from .gradients import BACKWARD_ROLE, BlockCopier, branch_grad
from .program import Block, Variable


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

    def replay(self, F: BlockEmitter, rounds: Variable, values: Sequence[Variable]) -> list[Any]:
        """The carries after that many rounds from `values`, which are carries and what is read."""
        block = self.block()
        copy, done = BlockCopier(block), self.counter(block, "round")
        _, *carries = self._round(copy)
        last = self.counter(block, "last")
        E = self.emitter(block)
        after = E.scale(done, bias=1.0)
        block.results = [E.less_than(after, last), after, *carries]
        zero = F.full((), 0, int64)
        xs, extra = values[: self.carries], values[self.carries :]
        first = F.less_than(zero, rounds)
        return _emit_while(F, first, [zero, *xs], [*extra, rounds], block)[1:]

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
        E, left = self.emitter(block), self.counter(block, "left")
        state = [_argument(block, var) for var in (*grads, *sums)]
        inner = [_argument(block, var) for var in values]
        before = E.scale(left, bias=-1.0)
        carries = self.replay(E, before, inner)
        wanted = [*outs, *(self.carries + i for i in read)]
        found = self._body_grad(
            block, wanted, outs, [*carries, *inner[self.carries :], *state[: len(grads)]]
        )
        added = [
            E.elementwise_add(total, one)
            for total, one in zip(state[len(grads) :], found[len(grads) :], strict=True)
        ]
        zero = E.full((), 0, int64)
        block.results = [E.less_than(zero, before), before, *found[: len(grads)], *added]
        first = self.F.less_than(self.F.full((), 0, int64), rounds)
        return _emit_while(self.F, first, [rounds, *grads, *sums], values, block)[1:]

    def _body_grad(
        self, block: Block, wanted: list[int], outs: dict[int, Variable], values: Sequence[Variable]
    ) -> list[Variable]:
        """The gradient of one round, written into the block on these values."""
        # The body's first result is the next condition.
        grad = branch_grad(block, self.body, wanted, {1 + i: out for i, out in outs.items()})
        copy = BlockCopier(block)
        copy.vars.update(zip(grad.args, values, strict=True))
        copy.ops(grad.ops)
        return [copy.vars[var] for var in grad.results]


def _argument(block: Block, like: Variable) -> Variable:
    name = block.program.unique(f"{like.name}.in")
    return block.add_arg(name, like.shape, like.dtype, stop_gradient=like.stop_gradient)


def _emit_while(
    F: BlockEmitter, condition: Any, xs: Sequence[Any], extra: Sequence[Any], block: Block
) -> list[Any]:
    emit = getattr(F, "while")
    found: list[Any] = emit(condition, list(xs), list(extra), block=block)
    return found
