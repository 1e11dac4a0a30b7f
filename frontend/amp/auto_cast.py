"""`auto_cast` and `decorate`, which leave everything in its dtype on a CPU."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..device import expected_place

_LEVELS: Final = ("O0", "OD", "O1", "O2")


def warn_of_no_effect(what: str, stacklevel: int) -> None:
    """Paddle's warning for mixed precision on a CPU, at the user's line."""
    warnings.warn(
        f"{what} can only be enabled on CUDAPlace, XPUPlace, and CustomPlace, current place is "
        f"{expected_place()}, so it makes no effect.",
        stacklevel=stacklevel + 1,
    )


@contextmanager
def auto_cast(
    enable: bool = True,
    custom_white_list: Collection[str] | None = None,
    custom_black_list: Collection[str] | None = None,
    level: str = "O1",
    dtype: str = "float16",
    use_promote: bool = True,
) -> Iterator[None]:
    """Run what is inside in mixed precision: on a CPU in the dtypes that there are, with a warning.

    Raises ValueError for an unknown level or dtype, and for an op in both lists.

    >>> import wherry as paddle
    >>> with paddle.amp.auto_cast(enable=False):
    ...     print(paddle.ones([2]).dtype)
    paddle.float32
    """
    if level not in _LEVELS:
        raise ValueError(f"level should be O0, OD, O1 or O2, got {level!r}")
    if enable and dtype not in ("float16", "bfloat16"):
        raise ValueError(f"If enable amp, dtype should be 'float16' or 'bfloat16', got {dtype!r}")
    both = set(custom_white_list or ()) & set(custom_black_list or ())
    if both:
        raise ValueError(f"Custom white list overlap custom black list: {sorted(both)}")
    if enable:
        # The generator's frame, that of contextlib, and the user's.
        warn_of_no_effect("amp_guard", 3)
    yield


amp_guard = auto_cast


def decorate(
    models: Any,
    optimizers: Any = None,
    level: str = "O1",
    dtype: str = "float16",
    master_weight: bool | None = None,
    save_dtype: str | None = None,
    master_grad: bool = False,
    excluded_layers: Any = None,
) -> Any:
    """The models (and the optimizers, if given) as they are: parameters stay as they are on a CPU.

    Raises ValueError for an unknown level or dtype.
    """
    if level not in ("O1", "O2"):
        raise ValueError(
            "level should be O1 or O2, O1 represent AMP train mode, O2 represent Pure fp16 train "
            f"mode, got {level!r}"
        )
    if dtype not in ("float16", "bfloat16"):
        raise ValueError(f"dtype only support float16 or bfloat16, got {dtype!r}")
    return models if optimizers is None else (models, optimizers)


amp_decorate = decorate


def is_float16_supported(device: Any = None) -> bool:
    """Whether mixed precision computes in float16: not on a CPU."""
    return False


def is_bfloat16_supported(device: Any = None) -> bool:
    """Whether there is a bfloat16: not in wherry."""
    return False
