"""`fusion`: ops that become one loop nest. The `fuse` pass makes it, codegen lowers it."""

from __future__ import annotations

from typing import Any

from ..infer import TensorType, fail
from ..opdef import REQUIRED, op
from ..program import Block

KINDS = ("loop", "reduce", "row", "contract")


def _infer(xs: list[TensorType], *, kind: str, block: Block) -> list[TensorType]:
    if kind not in KINDS:
        fail(f"needs kind to be {' or '.join(map(repr, KINDS))}, got {kind!r}")
    needed = [var.type for var in block.args]
    if list(xs) != needed:
        fail(f"needs inputs {_show(needed)} as its block, got {_show(xs)}")
    return [var.type for var in block.results]


def _show(types: Any) -> str:
    return "(" + ", ".join(map(str, types)) + ")"


op(
    "fusion", "X*", "Out*",
    attrs={"kind": REQUIRED, "block": REQUIRED},
    infer=_infer,
    no_samples="the fuse pass builds it around a sub-block; tests/ir/test_passes_fuse.py runs it",
)  # fmt: skip
