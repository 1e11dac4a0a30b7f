"""assign_persistable: what Paddle writes in place, as an explicit effect at the block's end."""

from __future__ import annotations

from ..infer import TensorType, fail_type, show
from ..opdef import op
from ..rules import same_shape


def _infer(x: TensorType, target: TensorType) -> None:
    if x.dtype is not target.dtype:
        fail_type(f"needs X of Target's dtype {target.dtype.name}, got {x.dtype.name}")
    message = f"needs X of Target's shape {show(target.shape)}, got {show(x.shape)}"
    same_shape(x.shape, target.shape, message)


assign_persistable = op(
    "assign_persistable", "X Target", "",
    infer=_infer,
    side_effect=True,
    no_samples="it has no result: the interpreter collects what it assigns",
)  # fmt: skip
