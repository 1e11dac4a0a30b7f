"""`paddle.summary`: the layers of a net with their shapes and numbers of parameters, as a table."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from wherry.schema.dtypes import as_dtype

from ..grad_mode import no_grad
from ..nn import Layer, LayerList, Sequential
from ..nn.rnn import _Stack as RNNBase
from ..static.input_spec import InputSpec
from ..tensor import Tensor


class Row(NamedTuple):
    name: str
    inputs: Any
    outputs: Any
    parameters: int
    trainable: int


def _shapes(value: Any) -> Any:
    """The shapes in nested results."""
    if isinstance(value, Tensor):
        return list(value.shape)
    if isinstance(value, dict):
        return [_shapes(one) for one in value.values()]
    return [_shapes(one) for one in value] if isinstance(value, (list, tuple)) else []


def _count(shapes: Any) -> int:
    if all(isinstance(size, int) for size in shapes):
        return math.prod(shapes)
    return sum(_count(one) for one in shapes)


def _row(layer: Layer, inputs: Any, outputs: Any) -> Row:
    number = int(layer.full_name().rsplit("_", 1)[-1]) + 1
    sizes = [p.size for p in layer.parameters()] if isinstance(layer, RNNBase) else [
        p.size for p in layer._parameters.values() if p is not None
    ]  # fmt: skip
    fixed = sum(
        p.size for p in layer._parameters.values() if p is not None and p.stop_gradient
    )  # fmt: skip
    total = sum(sizes)
    given = [_shapes(one) for one in inputs if isinstance(one, Tensor)]
    return Row(f"{type(layer).__name__}-{number}", given, _shapes(outputs), total, total - fixed)


def _watch(net: Layer, rows: dict[str, Row]) -> list[Any]:
    """Hooks that note a row for each layer that is no container; inside of an RNN for none."""

    def note(layer: Layer, inputs: Any, outputs: Any) -> None:
        row = _row(layer, inputs, outputs)
        rows[row.name] = row

    hooks: list[Any] = []

    def visit(layer: Layer, top: bool) -> None:
        is_rnn = isinstance(layer, RNNBase)
        children = [] if is_rnn else list(layer.children())
        for child in children:
            visit(child, False)
        container = isinstance(layer, (Sequential, LayerList)) and not is_rnn
        if not container and not (top and children):
            hooks.append(layer.register_forward_post_hook(note))

    visit(net, True)
    return hooks


def _made_input(size: Any, dtype: Any) -> Tensor:
    if isinstance(size, InputSpec):
        size, dtype = size.shape, size.dtype if dtype is None else dtype
    sizes = [size] if isinstance(size, int) else size
    shape = [1 if d is None or d == -1 else int(d) for d in sizes]
    if any(d <= 0 for d in shape):
        raise ValueError(f"Expected element in input size greater than zero, but got {list(size)}")
    kind = as_dtype("float32" if dtype is None else dtype)
    return Tensor(np.ones(shape, kind.numpy))


def _inputs(input_size: Any, dtypes: Any) -> list[Tensor]:
    several = isinstance(input_size, list) or (
        isinstance(input_size, tuple) and any(isinstance(d, (tuple, list)) for d in input_size)
    )
    if isinstance(input_size, list) and all(isinstance(d, int) for d in input_size):
        several = False
    sizes = list(input_size) if several else [input_size]
    kinds = list(dtypes) if isinstance(dtypes, (list, tuple)) else [dtypes] * len(sizes)
    return [_made_input(size, kind) for size, kind in zip(sizes, kinds, strict=True)]


def summary(
    net: Layer, input_size: Any = None, dtypes: Any = None, input: Any = None
) -> dict[str, int]:
    """Print the layers of a net with shapes and numbers of parameters; returns the totals.

    The net is called with ones of `input_size` (a shape, an InputSpec, or several) and `dtypes`,
    or with `input`. Raises ValueError where neither is given.

    >>> import wherry as paddle
    >>> totals = paddle.summary(paddle.nn.Linear(4, 3), (1, 4))  # doctest: +ELLIPSIS
    ----...
    >>> totals
    {'total_params': 15, 'trainable_params': 15}
    """
    if input_size is None and input is None:
        raise ValueError("`input_size` and `input` cannot be None at the same time")
    if input is None:
        arguments, named = _inputs(input_size, dtypes), {}
    elif isinstance(input, dict):
        arguments, named = [], input
    else:
        arguments, named = list(input) if isinstance(input, (list, tuple)) else [input], {}
    rows: dict[str, Row] = {}
    hooks = _watch(net, rows)
    modes = [(layer, layer.training) for layer in net.sublayers(include_self=True)]
    net.eval()
    try:
        with no_grad():
            net(*arguments, **named)
    finally:
        for hook in hooks:
            hook.remove()
        for layer, training in modes:
            layer.training = training
    given = sum(one.size for one in [*arguments, *named.values()] if isinstance(one, Tensor))
    print(_table(list(rows.values()), given))
    return {
        "total_params": sum(row.parameters for row in rows.values()),
        "trainable_params": sum(row.trainable for row in rows.values()),
    }


def _table(rows: list[Row], inputs: int) -> str:
    cells = [(row.name, str(row.inputs), str(row.outputs), f"{row.parameters:,}") for row in rows]
    least = (15, 20, 20, 15)
    widths = [max([low, *(len(c[i]) for c in cells)]) for i, low in enumerate(least)]

    def line(parts: tuple[str, ...]) -> str:
        return " ".join(f"{part:^{width}}" for part, width in zip(parts, widths, strict=True))

    dashes, double = "-" * (sum(widths) + 5), "=" * (sum(widths) + 5)
    total, trainable = (sum(getattr(r, k) for r in rows) for k in ("parameters", "trainable"))
    megabytes = [4 * n / 1024**2 for n in (inputs, 2 * sum(_count(r.outputs) for r in rows), total)]
    return "\n".join([
        dashes, line((" Layer (type) ", "Input Shape", "Output Shape", "Param #")), double,
        *map(line, cells), double,
        f"Total params: {total:,}", f"Trainable params: {trainable:,}",
        f"Non-trainable params: {total - trainable:,}", dashes,
        f"Input size (MB): {megabytes[0]:.2f}",
        f"Forward/backward pass size (MB): {megabytes[1]:.2f}",
        f"Params size (MB): {megabytes[2]:.2f}",
        f"Estimated Total Size (MB): {sum(megabytes):.2f}", dashes, "",
    ])  # fmt: skip


__all__ = ["summary"]
