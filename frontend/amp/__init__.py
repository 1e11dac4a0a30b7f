"""`paddle.amp`: mixed precision, which on a CPU changes nothing, as in Paddle.

`auto_cast`, `decorate` and `GradScaler` check their arguments, say that they make no effect, and
leave float32 as it is, so that a training script for GPUs runs unchanged.
"""

from __future__ import annotations

from . import debugging
from .auto_cast import (
    amp_decorate,
    amp_guard,
    auto_cast,
    decorate,
    is_bfloat16_supported,
    is_float16_supported,
)
from .grad_scaler import AmpScaler, GradScaler

__all__ = [
    "AmpScaler", "GradScaler", "amp_decorate", "amp_guard", "auto_cast", "debugging", "decorate",
    "is_bfloat16_supported", "is_float16_supported",
]  # fmt: skip
