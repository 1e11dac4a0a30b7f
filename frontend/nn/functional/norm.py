"""Normalization over the batch, a layer's axes, instances or groups of channels."""

from __future__ import annotations

from typing import Any

from wherry.schema.errors import OpError

from ...dispatch import run_op, update_buffer
from ...location import user_location
from ...ops.convert import dims_of, need_tensor
from ...tensor import Tensor


def batch_norm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.9,
    epsilon: float = 1e-05, data_format: str = "NCHW", use_global_stats: bool | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """(x - mean) / sqrt(var + epsilon) * weight + bias for each channel of x.

    x is [N, C, ...], or [N, ..., C] by `data_format`.

    In training mean and var are the batch's, and the running ones become momentum * running +
    (1 - momentum) * batch; else (or with use_global_stats) the running ones are used.

    >>> import wherry as paddle
    >>> F, mean, var = paddle.nn.functional, paddle.zeros([2]), paddle.ones([2])
    >>> F.batch_norm(paddle.ones([1, 2]), mean, var, epsilon=0.0).tolist()
    [[1.0, 1.0]]
    """
    need_tensor(x, "batch_norm")
    fixed = not training if use_global_stats is None else use_global_stats
    layout = "NHWC" if data_format[-1] == "C" and data_format != "NC" else "NCHW"
    out, mean_out, var_out, _, _ = run_op(
        "batch_norm", x, weight, bias, running_mean, running_var, momentum=momentum,
        epsilon=epsilon, is_test=not training, data_layout=layout, use_global_stats=fixed,
        trainable_statistics=not fixed and not training,
    )  # fmt: skip
    if training and not fixed:
        update_buffer(running_mean, mean_out)
        update_buffer(running_var, var_out)
    return out  # type: ignore[no-any-return]


def layer_norm(
    x: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None,
    epsilon: float = 1e-05, name: str | None = None,
) -> Tensor:  # fmt: skip
    """x with mean 0 and variance 1 over its last axes, of sizes `normalized_shape`; then * weight +
    bias.

    Raises OpError if x does not end in these sizes.

    >>> import wherry as paddle
    >>> paddle.nn.functional.layer_norm(paddle.to_tensor([[1.0, 3.0]]), 2, epsilon=0.0).tolist()
    [[-1.0, 1.0]]
    """
    sizes = dims_of(normalized_shape, "normalized_shape")
    ndim = need_tensor(x, "layer_norm").ndim
    if list(x.shape[ndim - len(sizes) :]) != list(sizes) or ndim < len(sizes):
        raise OpError(
            f"needs x that ends in normalized_shape {sizes}, got x of shape {x.shape}",
            "layer_norm", user_location(),
        )  # fmt: skip
    begin = ndim - len(sizes)
    whole = begin == 0
    if whole:
        x, begin = run_op("unsqueeze2", x, axes=[0]), 1
    out: Tensor = run_op("layer_norm", x, weight, bias, begin_norm_axis=begin, epsilon=epsilon)[0]
    return run_op("squeeze2", out, axes=[0]) if whole else out


def _standardized(x: Tensor, axes: list[int], epsilon: float) -> Tensor:
    centred = x - run_op("reduce_mean", x, dim=axes, keep_dim=True)
    variance = run_op("reduce_mean", centred * centred, dim=axes, keep_dim=True)
    return centred * run_op("rsqrt", variance + epsilon)  # type: ignore[no-any-return]


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """x * weight + bias for each channel of [N, C, ...]."""
    for value, op_type in ((weight, "elementwise_mul"), (bias, "elementwise_add")):
        if value is not None:
            x = run_op(op_type, x, value, axis=1)
    return x


def instance_norm(
    x: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.9, eps: float = 1e-05, data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """Each channel of each sample of x [N, C, ...] with mean 0 and variance 1; then * weight +
    bias.

    >>> import wherry as paddle
    >>> paddle.nn.functional.instance_norm(paddle.to_tensor([[[1.0, 3.0]]]), eps=0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    need_tensor(x, "instance_norm")
    if x.ndim < 3:
        raise OpError(
            f"needs x of at least 3 dims, got shape {x.shape}", "instance_norm", user_location()
        )
    return _scaled(_standardized(x, list(range(2, x.ndim)), eps), weight, bias)


def group_norm(
    x: Tensor, num_groups: int, epsilon: float = 1e-05, weight: Tensor | None = None,
    bias: Tensor | None = None, data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """Each group of channels of x [N, C, ...] with mean 0 and variance 1; then * weight + bias by
    channel.

    >>> import wherry as paddle
    >>> paddle.nn.functional.group_norm(paddle.ones([1, 4, 2]), 2).shape
    [1, 4, 2]
    """
    last = data_format[-1] == "C" and data_format != "NC"
    if last:
        x = run_op("transpose2", x, axis=[0, x.ndim - 1, *range(1, x.ndim - 1)])
    channels = x.shape[1]
    if channels % num_groups:
        raise OpError(
            f"needs channels that {num_groups} groups divide, got {channels}", "group_norm",
            user_location(),
        )  # fmt: skip
    grouped = run_op(
        "reshape2", x, shape=[x.shape[0], num_groups, channels // num_groups, *x.shape[2:]]
    )
    even = _standardized(grouped, list(range(2, grouped.ndim)), epsilon)
    out = _scaled(run_op("reshape2", even, shape=list(x.shape)), weight, bias)
    return run_op("transpose2", out, axis=[0, *range(2, x.ndim), 1]) if last else out


def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0,
    data_format: str = "NCHW", name: str | None = None,
) -> Tensor:  # fmt: skip
    """x / (k + alpha * mean of squares of `size` neighbouring channels) ** beta, x [N, C, ...]."""
    squares = x * x
    pads = [0, 0, size // 2, (size - 1) // 2, *([0, 0] * (x.ndim - 2))]
    padded = run_op("pad", squares, paddings=pads)
    total: Any = None
    for i in range(size):
        part = run_op("slice", padded, axes=[1], starts=[i], ends=[i + x.shape[1]])
        total = part if total is None else total + part
    return x / run_op("pow", total * (alpha / size) + k, factor=beta)  # type: ignore[no-any-return]


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm"]
