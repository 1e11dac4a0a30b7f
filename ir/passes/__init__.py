"""The passes: small objects that take a valid Program and leave a valid one.

`run_passes` runs some; `prepare_for_codegen` is the whole way from what the user wrote to what is
compiled. WHERRY_CHECK=1 verifies after each pass, WHERRY_DEBUG=2 prints what each pass leaves (to
stderr), and WHERRY_DISABLE=cse,fuse leaves passes out; all but `decompose` may be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..program import Program
from ..text import to_text
from ..verify import verify
from .base import Pass
from .cse import Cse
from .dce import Dce
from .decompose import Decompose
from .drop_broadcasts import DropBroadcasts
from .fold_batch_norm import FoldBatchNorm
from .fold_constants import FoldConstants
from .fuse import Fuse
from .fuse_contract import FuseContract
from .hoist import split_prepared
from .infer_shape import InferShape
from .layout import Layout
from .pack_weights import PackWeights
from .simplify import Simplify
from .sink_views import SinkViews
from .turn_gradients import TurnGradients

OPTIONAL_PASSES = (
    "fold_batch_norm", "simplify", "fold_constants", "cse", "dce", "drop_broadcasts", "sink_views",
    "turn_gradients", "layout", "pack_weights", "hoist", "fuse_contract", "fuse",
)  # fmt: skip


def run_passes(program: Program, passes: Sequence[Pass]) -> bool:
    """Run the passes in order; True if one of them changed the Program."""
    check = os.environ.get("WHERRY_CHECK") == "1"
    shown = os.environ.get("WHERRY_DEBUG") == "2"
    changed = False
    for one in passes:
        changed |= one.run(program)
        if shown:
            print(f"# after {one.name}\n{to_text(program)}", file=sys.stderr)
        if check:
            verify(program)
    return changed


def prepare_for_codegen(program: Program, *, inference: bool) -> Program:
    """A copy that is optimized, decomposed into primitives and fused; the Program stays as it was.

    With `inference`, the arrays in `program.values` are constants, and batch norms are folded into
    the weights before them. Constants that passes make are persistables of the copy with their
    arrays in its `values`: whoever compiles the copy embeds them. Inputs and outputs keep their
    names and order.
    """
    copy = program.clone()
    run_passes(copy, [*_pipeline(inference), *_fusing()])
    return copy


def prepare_in_parts(program: Program) -> tuple[Program | None, Program]:
    """(prepare, main), ready for codegen: `prepare_for_codegen` for inference while weights change.

    `prepare` computes what depends on persistables alone, for `main` to read as further
    persistables (see hoist.py); None where that is not worth it.
    """
    copy = program.clone()
    run_passes(copy, _pipeline(inference=True))
    prepare, main = (None, copy) if "hoist" in disabled_passes() else split_prepared(copy)
    for part in (prepare, main):
        if part is not None:
            run_passes(part, _fusing())
    return prepare, main


def disabled_passes() -> set[str]:
    """The names in WHERRY_DISABLE. Raises ValueError for one that is no optional pass."""
    names = {name.strip() for name in os.environ.get("WHERRY_DISABLE", "").split(",")} - {""}
    unknown = names - set(OPTIONAL_PASSES)
    if unknown:
        known = ", ".join(OPTIONAL_PASSES)
        raise ValueError(f"WHERRY_DISABLE names {sorted(unknown)}; it may name {known}")
    return names


def _pipeline(inference: bool) -> list[Pass]:
    cleanup: list[Pass] = [Simplify(), FoldConstants(inference=inference), Cse(), Dce()]
    before: list[Pass] = [FoldBatchNorm()] if inference else []
    shape: list[Pass] = [Decompose(), TurnGradients(), DropBroadcasts(), SinkViews(), *cleanup]
    packing: list[Pass] = [PackWeights()] if inference else []
    layout: list[Pass] = [Layout(inference=inference), *packing, *cleanup[1:]]
    return _enabled([*before, *cleanup, *shape, *layout])


def _fusing() -> list[Pass]:
    return _enabled([FuseContract(), Fuse()])


def _enabled(passes: list[Pass]) -> list[Pass]:
    disabled = disabled_passes()
    return [one for one in passes if one.name not in disabled]


__all__ = [
    "OPTIONAL_PASSES",
    "Cse",
    "Dce",
    "Decompose",
    "DropBroadcasts",
    "FoldBatchNorm",
    "FoldConstants",
    "Fuse",
    "FuseContract",
    "InferShape",
    "Layout",
    "PackWeights",
    "Pass",
    "Simplify",
    "SinkViews",
    "TurnGradients",
    "disabled_passes",
    "prepare_for_codegen",
    "prepare_in_parts",
    "run_passes",
    "split_prepared",
]
