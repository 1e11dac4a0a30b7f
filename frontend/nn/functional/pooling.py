"""Maxima and averages over windows of one or two spatial dims."""

from __future__ import annotations

from typing import Any

from ...dispatch import run_op
from ...ops.convert import need_tensor
from ...tensor import Tensor
from .conv import _widened, paddings, pair


def _to_channels_first(x: Tensor, data_format: str) -> Tensor:
    if data_format not in ("NCHW", "NHWC"):
        raise ValueError(f"Attr(data_format) should be 'NCHW' or 'NHWC'. Received {data_format!r}.")
    return run_op("transpose2", x, axis=[0, 3, 1, 2]) if data_format == "NHWC" else x


def _back(out: Tensor, data_format: str) -> Tensor:
    return run_op("transpose2", out, axis=[0, 2, 3, 1]) if data_format == "NHWC" else out


def _window(
    kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, last: bool
) -> dict[str, Any]:
    numbers, algorithm = paddings(padding, 2, last)
    return {
        "ksize": pair(kernel_size, "kernel_size"),
        "strides": pair(kernel_size if stride is None else stride, "stride"),
        "paddings": numbers, "padding_algorithm": algorithm, "ceil_mode": ceil_mode,
    }  # fmt: skip


def max_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
    ceil_mode: bool = False, data_format: str = "NCHW", name: str | None = None,
) -> Any:  # fmt: skip
    """The maximum of each window of images [N, C, H, W]; `return_mask` adds its position in H * W.

    The stride is the kernel size by default; padding never wins.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> paddle.nn.functional.max_pool2d(x, 2).tolist()
    [[[[4.0]]]]
    """
    attrs = _window(kernel_size, stride, padding, ceil_mode, data_format == "NHWC")
    x = need_tensor(x, "max_pool2d")
    if return_mask:
        x = _to_channels_first(x, data_format)
        out, mask = run_op("max_pool2d_with_index", x, **attrs)
        return _back(out, data_format), _back(mask, data_format)
    return run_op("pool2d", x, pooling_type="max", data_format=data_format, **attrs)


def avg_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    exclusive: bool = True, divisor_override: float | None = None, data_format: str = "NCHW",
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window; padding counts only if not `exclusive`; `divisor_override` divides
    instead.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> paddle.nn.functional.avg_pool2d(x, 2).tolist()
    [[[[2.5]]]]
    """
    attrs = _window(kernel_size, stride, padding, ceil_mode, data_format == "NHWC")
    inclusive = divisor_override is not None
    out: Tensor = run_op(
        "pool2d", need_tensor(x, "avg_pool2d"), pooling_type="avg", data_format=data_format,
        exclusive=exclusive and not inclusive, **attrs,
    )  # fmt: skip
    if divisor_override is None:
        return out
    height, width = attrs["ksize"]
    return out * (height * width / divisor_override)  # type: ignore[no-any-return]


def _adaptive_sizes(x: Tensor, output_size: Any, data_format: str) -> list[Any]:
    spatial = x.shape[1:3] if data_format == "NHWC" else x.shape[2:4]
    sizes = (
        [output_size] * 2 if isinstance(output_size, int) or output_size is None else output_size
    )
    return [size if size is not None else spatial[i] for i, size in enumerate(sizes)]


def adaptive_avg_pool2d(x: Tensor, output_size: Any, data_format: str = "NCHW",
                        name: str | None = None) -> Tensor:  # fmt: skip
    """The mean over windows that divide the image into [h, w] parts; None keeps a size.

    >>> import wherry as paddle
    >>> paddle.nn.functional.adaptive_avg_pool2d(paddle.ones([1, 2, 5, 5]), 1).shape
    [1, 2, 1, 1]
    """
    sizes = _adaptive_sizes(need_tensor(x, "adaptive_avg_pool2d"), output_size, data_format)
    return run_op(  # type: ignore[no-any-return]
        "pool2d", x, pooling_type="avg", ksize=sizes, adaptive=True, data_format=data_format
    )


def adaptive_max_pool2d(
    x: Tensor, output_size: Any, return_mask: bool = False, name: str | None = None
) -> Any:
    """The maximum over windows that divide the image into [h, w] parts.

    >>> import wherry as paddle
    >>> paddle.nn.functional.adaptive_max_pool2d(paddle.ones([1, 2, 5, 5]), [2, 3]).shape
    [1, 2, 2, 3]
    """
    sizes = _adaptive_sizes(need_tensor(x, "adaptive_max_pool2d"), output_size, "NCHW")
    out, mask = run_op("max_pool2d_with_index", x, ksize=sizes, adaptive=True)
    return (out, mask) if return_mask else out


def _wide(x: Tensor) -> Tensor:
    return run_op("unsqueeze2", need_tensor(x, "pool1d"), axes=[2])  # type: ignore[no-any-return]


def _narrow(out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(_narrow(one) for one in out)
    return run_op("squeeze2", out, axes=[2])


def _row(value: Any, what: str) -> Any:
    return None if value is None else [1, *pair(value, what, 1)]


def max_pool1d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False,
    ceil_mode: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """The maximum of each window of sequences [N, C, L].

    >>> import wherry as paddle
    >>> paddle.nn.functional.max_pool1d(paddle.to_tensor([[[1.0, 2.0]]]), 2).tolist()
    [[[2.0]]]
    """
    kernel, step = _row(kernel_size, "kernel_size"), _row(stride, "stride")
    return _narrow(max_pool2d(_wide(x), kernel, step, _widened(padding), return_mask, ceil_mode))


def avg_pool1d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, exclusive: bool = True,
    ceil_mode: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of sequences [N, C, L].

    >>> import wherry as paddle
    >>> paddle.nn.functional.avg_pool1d(paddle.to_tensor([[[1.0, 2.0]]]), 2).tolist()
    [[[1.5]]]
    """
    kernel, step = _row(kernel_size, "kernel_size"), _row(stride, "stride")
    out: Tensor = _narrow(
        avg_pool2d(_wide(x), kernel, step, _widened(padding), ceil_mode, exclusive)
    )
    return out


def adaptive_avg_pool1d(x: Tensor, output_size: int, name: str | None = None) -> Tensor:
    """The mean over `output_size` windows that divide the sequence."""
    out: Tensor = _narrow(adaptive_avg_pool2d(_wide(x), [1, output_size]))
    return out


def adaptive_max_pool1d(
    x: Tensor, output_size: int, return_mask: bool = False, name: str | None = None
) -> Any:
    """The maximum over `output_size` windows that divide the sequence."""
    return _narrow(adaptive_max_pool2d(_wide(x), [1, output_size], return_mask))


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
]  # fmt: skip
