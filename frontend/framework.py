"""Process-wide settings: the default dtype, dynamic or static mode, flags."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import DType, as_dtype, float32

from .dispatch import tracer

_default_dtype: DType = float32
_flags: dict[str, Any] = {}


def default_dtype() -> DType:
    """The dtype that creation functions and parameters take where none is given."""
    return _default_dtype


def get_default_dtype() -> str:
    """The name of the default dtype: "float32" unless it was changed."""
    return _default_dtype.name


def set_default_dtype(d: Any) -> None:
    """Set the default dtype: float16, float32 or float64. Raises TypeError for others.

    >>> import wherry as paddle
    >>> paddle.set_default_dtype("float64"); paddle.ones([1]).dtype
    paddle.float64
    >>> paddle.set_default_dtype("float32")
    """
    global _default_dtype
    dtype = as_dtype(d)
    if not dtype.is_float:
        raise TypeError(
            "set_default_dtype only supports [float16, float32, float64], "
            f"but received {dtype.name}"
        )
    _default_dtype = dtype


def in_dynamic_mode() -> bool:
    """True while ops run at once; False while a Program is being built (static mode, a trace)."""
    return tracer.get() is None


def set_flags(flags: dict[str, Any]) -> None:
    """Keep Paddle's FLAGS_*; they change nothing in wherry. TypeError for what is no dict."""
    if not isinstance(flags, dict):
        raise TypeError("flags in set_flags should be a dict")
    _flags.update(flags)


def get_flags(flags: str | list[str]) -> dict[str, Any]:
    """The flags of these names as they were set. Raises ValueError for one that never was."""
    names = [flags] if isinstance(flags, str) else flags
    missing = [name for name in names if name not in _flags]
    if missing:
        raise ValueError(f"flags {missing} were never set; wherry has no flags of its own")
    return {name: _flags[name] for name in names}


def to_variable(
    value: Any, name: str | None = None, zero_copy: bool | None = None, dtype: Any = None
) -> Any:
    """A Tensor of an array or numbers (Paddle 1.x's name for `to_tensor`).

    >>> to_variable([1.0, 2.0]).shape
    [2]
    """
    from .ops.creation import to_tensor

    return to_tensor(value, dtype)
