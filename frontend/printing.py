"""How Tensors are printed: Paddle's format, with the options of `set_printoptions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .tensor import Array, Tensor


@dataclass
class PrintOptions:
    precision: int = 8
    threshold: int = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool = False


OPTIONS = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    sci_mode: bool | None = None,
    linewidth: int | None = None,
) -> None:
    """Change how Tensors print: digits after the point, when to summarize, how many items at an
    edge.

    >>> import wherry as paddle
    >>> paddle.set_printoptions(precision=2); print(paddle.to_tensor([0.125]))
    Tensor(shape=[1], dtype=float32, place=CPUPlace, stop_gradient=True,
           [0.12])
    >>> paddle.set_printoptions(precision=8)
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "sci_mode": sci_mode, "linewidth": linewidth}  # fmt: skip
    for name, value in given.items():
        if value is not None:
            setattr(OPTIONS, name, value)


@dataclass
class _Style:
    width: int
    signed: bool
    summary: bool


def tensor_to_string(tensor: Tensor, prefix: str = "Tensor") -> str:
    """The text of an eager Tensor."""
    indent = len(prefix) + 1
    array = tensor.numpy()
    summary = array.ndim > 0 and array.size > OPTIONS.threshold
    width, signed = _widest(_edges(array))
    data = _format(array, indent, _Style(width, signed, summary))
    return (
        f"{prefix}(shape={tensor.shape}, dtype={tensor.dtype.name}, place=CPUPlace, "
        f"stop_gradient={tensor.stop_gradient},\n{' ' * indent}{data})"
    )


def _edges(array: Array) -> Array:
    """The items at the edges, which decide the width."""
    if array.size == 0 or array.ndim == 0:
        return array
    n = OPTIONS.edgeitems
    rows = [*array[:n], *array[-n:]] if array.shape[0] > 2 * n else list(array)
    return np.stack([_edges(row) if array.ndim > 1 else np.asarray(row) for row in rows])


def _item(value: Any) -> str:
    if value.dtype.kind != "f":
        return str(value)
    if OPTIONS.sci_mode:
        return f"{value:.{OPTIONS.precision}e}"
    if np.ceil(value) == value:
        return f"{value:.0f}."
    return f"{value:.{OPTIONS.precision}f}"


def _widest(array: Array) -> tuple[int, bool]:
    items = array.ravel()
    return max((len(_item(v)) for v in items), default=0), bool((items < 0).any())


def _padded(value: Any, style: _Style) -> str:
    text = _item(value)
    if style.width <= len(text):
        return text
    if style.signed and not value < 0:
        return " " + text.ljust(style.width - 1)
    return text.ljust(style.width)


def _format(array: Array, indent: int, style: _Style) -> str:
    if array.ndim == 0:
        return _padded(array[()], style)
    n = OPTIONS.edgeitems
    cut = style.summary and array.shape[0] > 2 * n
    rows = [array[:n], array[-n:]] if cut else [array]
    if array.ndim == 1:
        parts = [[_padded(v, style) for v in part] for part in rows]
        return _lines([*parts[0], "...", *parts[1]] if cut else parts[0], indent, style)
    blocks = [[_format(row, indent + 1, style) for row in part] for part in rows]
    texts = [*blocks[0], "...", *blocks[1]] if cut else blocks[0]
    separator = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + separator.join(texts) + "]"


def _lines(items: list[str], indent: int, style: _Style) -> str:
    per_line = max(1, (OPTIONS.linewidth - indent) // (style.width + 2))
    lines = [items[i : i + per_line] for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
