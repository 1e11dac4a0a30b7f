"""What an op with sub-blocks passes in and out of them, cut down to what is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..found import Found
from ..program import Block, OpDesc, Variable
from .base import is_pure


def trim(
    op: OpDesc, block: Block, needed: set[Variable], found: Found,
    clean: Callable[[Block], bool],
) -> bool:  # fmt: skip
    """Drop outputs that are not `needed` and inputs that nothing reads; True if something went.

    `clean` removes the dead ops of a sub-block in between. Results, outputs and arguments of `cond`
    and `fusion` go one by one; a carry of `while` goes as a whole, once nothing but itself depends
    on it.
    """
    op.outputs.setdefault("Out", [])
    if op.type == "while":
        keep = _carries(op, needed, found)
    else:
        keep = [var in needed for var in op.outputs["Out"]]
    changed = _drop_outputs(op, block, keep)
    for sub in op.blocks:
        changed |= clean(sub)
    if op.type == "while":
        return _drop_inputs(op, "X", 0, keep) | _drop_unread(op, "Extra", sum(keep)) | changed
    return _drop_unread(op, "X", 0) | changed


def _carries(op: OpDesc, needed: set[Variable], found: Found) -> list[bool]:
    """The carries that the outside, the condition, an effect or another such carry needs.

    One that shows a size that the loop carries stays.
    """
    sub, sizes = op.attrs["block"], op.attrs.get("sizes", [])
    shown = [any(dim in sizes for dim in var.shape) for var in op.outputs["Out"]]
    keep = [shows or var in needed for shows, var in zip(shown, op.outputs["Out"], strict=True)]
    while True:
        read = _read(sub, [sub.results[0], *_selected(sub.results[1:], keep)], found)
        more = [kept or arg in read for kept, arg in zip(keep, sub.args, strict=False)]
        if more == keep:
            return keep
        keep = more


def _read(block: Block, results: Sequence[Variable], found: Found) -> set[Variable]:
    """What a block reads to give these results and to do what it does."""
    read = set(results)
    for op in reversed(block.ops):
        if not is_pure(op) or found.finds(op) or read.intersection(op.out_vars):
            read.update(op.in_vars)
    return read


def _drop_outputs(op: OpDesc, block: Block, keep: list[bool]) -> bool:
    outputs = op.outputs["Out"]
    for var in _selected(outputs, [not kept for kept in keep]):
        block.drop_var(var)
    op.outputs["Out"] = _selected(outputs, keep)
    for sub in op.blocks:
        # The first result of a loop's body is the next condition.
        ahead = len(sub.results) - len(keep)
        sub.results[:] = _selected(sub.results, [True] * ahead + keep)
    return not all(keep)


def _drop_unread(op: OpDesc, slot: str, start: int) -> bool:
    """Drop the inputs of a slot whose arguments, from number `start` on, no sub-block reads."""
    blocks = op.blocks
    read = [{*sub.results, *(v for one in sub.ops for v in one.in_vars)} for sub in blocks]
    keep = [
        any(sub.args[start + i] in used for sub, used in zip(blocks, read, strict=True))
        for i in range(len(op.inputs.get(slot, [])))
    ]
    return _drop_inputs(op, slot, start, keep)


def _drop_inputs(op: OpDesc, slot: str, start: int, keep: list[bool]) -> bool:
    if all(keep):
        return False
    op.inputs[slot] = _selected(op.inputs[slot], keep)
    for sub in op.blocks:
        flags = [True] * start + keep
        flags += [True] * (len(sub.args) - len(flags))
        for arg in _selected(sub.args, [not kept for kept in flags]):
            sub.drop_var(arg)
        sub.args[:] = _selected(sub.args, flags)
    return True


def _selected(items: Sequence[Variable], keep: Sequence[bool]) -> list[Variable]:
    return [item for item, kept in zip(items, keep, strict=True) if kept]
