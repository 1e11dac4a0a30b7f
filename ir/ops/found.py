"""Sizes that depend on data: true_positions finds one, check_size checks one (`ir/found.py`)."""

from __future__ import annotations

import numpy as np

from wherry.schema.dtypes import bool_, int64
from wherry.schema.errors import InputError

from ..dims import Dim
from ..infer import Guard, TensorType, fail, fail_type
from ..numerics import Array
from ..opdef import REQUIRED, boolean, lit, op, sample


def _positions_infer(x: TensorType, size: Dim) -> TensorType:
    if x.dtype is not bool_:
        fail_type(f"needs X of dtype bool, got {x.dtype.name}")
    return TensorType((size,), int64)


def _positions(x: Array, size: Dim | None) -> Array:
    found = np.flatnonzero(x)
    if size is not None and len(found) != size:
        raise InputError(f"needs {size} true elements, got {len(found)}")
    return found


op(
    # The positions of the true elements in the flattened X, in order. `size` is a symbol, which
    # becomes their number, or a number, which they must have.
    "true_positions", "X", attrs={"size": REQUIRED}, infer=_positions_infer,
    reference=_positions,
    samples=[
        sample(lit([True, False, True, True], "bool"), size=3),
        sample(lit([[False, True], [True, False], [True, True]], "bool"), size=4),
        sample(boolean(0), size=0), sample(boolean(3, 0), size=0),
        sample(lit(True, "bool"), size=1), sample(lit(False, "bool"), size=0),
        sample(lit([True] * 130, "bool"), size=130),
        sample(lit([False] * 200, "bool"), size=0),
        sample(lit([i % 7 == 3 or i > 290 for i in range(301)], "bool"), size=52),
    ],
)  # fmt: skip


def _check_infer(left: Dim, relation: str, right: Dim, message: str) -> None:
    known = isinstance(left, int) and isinstance(right, int)
    if known and not Guard(left, relation, right, message).holds(int(left), int(right)):
        fail(message)


op(
    # `left relation right`, a guard (see `ir/infer.py`) on a size that the run has found by then.
    "check_size", "", "",
    attrs={"left": REQUIRED, "relation": REQUIRED, "right": REQUIRED, "message": ""},
    infer=_check_infer,
    side_effect=True,
    no_samples="it has no result: tests/ir/test_found.py",
)  # fmt: skip
