"""Rearranging: channels against pixels, shifts in time, paths of a beam search, diagonals."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import bool_

from ...dispatch import run_op
from ...ops.convert import cast_to, need_tensor
from ...tensor import Tensor

_FORMATS = ("NCHW", "NHWC")


def _check_format(data_format: str) -> None:
    if data_format not in _FORMATS:
        raise ValueError(
            f"Attr(data_format) should be 'NCHW' or 'NHWC'. But receive {data_format!r}."
        )


def _check_images(x: Tensor, data_format: str, function: str, what: str, factor: Any) -> None:
    """Raises TypeError or ValueError for what are no images, or a factor that is no int > 0."""
    _check_format(data_format)
    need_tensor(x, function)
    if x.ndim != 4:
        raise ValueError(f"Input x should be 4D tensor, but received x with the shape of {x.shape}")
    if not isinstance(factor, int) or factor <= 0:
        raise ValueError(f"{what} must be a positive int, got {factor!r}")


def _reshape(x: Tensor, shape: list[Any]) -> Tensor:
    return run_op("reshape2", x, shape=shape)  # type: ignore[no-any-return]


def _moved(x: Tensor, parts: list[Any], order: list[int], shape: list[Any]) -> Tensor:
    """x with its axes split into `parts`, these put into an order, and joined to a shape."""
    return _reshape(run_op("transpose2", _reshape(x, parts), axis=order), shape)


def pixel_unshuffle(
    x: Tensor, downscale_factor: int, data_format: str = "NCHW", name: str | None = None
) -> Tensor:
    """The inverse of `pixel_shuffle`: [N, C, H, W] becomes [N, C * r * r, H / r, W / r].

    >>> import wherry as paddle
    >>> paddle.nn.functional.pixel_unshuffle(paddle.ones([1, 1, 4, 6]), 2).shape
    [1, 4, 2, 3]
    """
    _check_images(x, data_format, "pixel_unshuffle", "Downscale factor", downscale_factor)
    r = downscale_factor
    if data_format == "NHWC":
        n, h, w, c = x.shape
        return _moved(x, [n, h // r, r, w // r, r, c], [0, 1, 3, 5, 2, 4],
                      [n, h // r, w // r, c * r * r])  # fmt: skip
    n, c, h, w = x.shape
    return _moved(x, [n, c, h // r, r, w // r, r], [0, 1, 3, 5, 2, 4],
                  [n, c * r * r, h // r, w // r])  # fmt: skip


def channel_shuffle(
    x: Tensor, groups: int, data_format: str = "NCHW", name: str | None = None
) -> Tensor:
    """The channels of images in another order: the first of each group, then the second, ...

    >>> import wherry as paddle
    >>> x = paddle.arange(4.0).reshape([1, 4, 1, 1])
    >>> paddle.nn.functional.channel_shuffle(x, 2).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """
    _check_images(x, data_format, "channel_shuffle", "groups", groups)
    if data_format == "NHWC":
        n, h, w, c = x.shape
        return _moved(x, [n, h, w, groups, c // groups], [0, 1, 2, 4, 3], [n, h, w, c])
    n, c, h, w = x.shape
    return _moved(x, [n, groups, c // groups, h, w], [0, 2, 1, 3, 4], [n, c, h, w])


def temporal_shift(
    x: Tensor, seg_num: int, shift_ratio: float = 0.25, name: str | None = None,
    data_format: str = "NCHW",
) -> Tensor:  # fmt: skip
    """Channels of frames [N * seg_num, C, H, W] moved in time: the first `shift_ratio` of them come
    from the frame before, as many from the frame behind, the rest stays.

    >>> import wherry as paddle
    >>> x = paddle.arange(8.0).reshape([2, 4, 1, 1])
    >>> paddle.nn.functional.temporal_shift(x, 2)[:, :, 0, 0].tolist()
    [[0.0, 5.0, 2.0, 3.0], [0.0, 0.0, 6.0, 7.0]]
    """
    _check_format(data_format)
    if not 0 < shift_ratio < 0.5:
        raise ValueError(f"temporal_shift needs 0 < shift_ratio < 0.5, got {shift_ratio}")
    last = data_format == "NHWC"
    x = run_op("transpose2", x, axis=[0, 3, 1, 2]) if last else need_tensor(x, "temporal_shift")
    frames, c, h, w = x.shape
    n, first, second = frames // seg_num, int(c * shift_ratio), int(c * 2 * shift_ratio)
    clips = _reshape(x, [n, seg_num, c, h, w])
    longer = run_op("pad", clips, paddings=[0, 0, 1, 1, 0, 0, 0, 0, 0, 0], pad_value=0.0)

    def part(start: int, low: Any, high: Any) -> Any:
        return run_op("slice", longer, axes=[1, 2], starts=[start, low],
                      ends=[start + seg_num, high])  # fmt: skip

    pieces = [part(0, 0, first), part(2, first, second), part(1, second, c)]
    out = _reshape(run_op("concat", pieces, axis=2), [frames, c, h, w])
    return run_op("transpose2", out, axis=[0, 2, 3, 1]) if last else out


def gather_tree(ids: Tensor, parents: Tensor) -> Tensor:
    """The full sequences of a beam search, from the ids of each step and the beam that each came
    from: [max_time, batch, beams].

    >>> import wherry as paddle
    >>> ids = paddle.to_tensor([[[1, 2]], [[3, 4]]])
    >>> parents = paddle.to_tensor([[[0, 0]], [[1, 0]]])
    >>> paddle.nn.functional.gather_tree(ids, parents).tolist()
    [[[2, 1]], [[3, 4]]]
    """
    need_tensor(ids, "gather_tree", "ids"), need_tensor(parents, "gather_tree", "parents")
    if ids.ndim != 3:
        raise ValueError("The input ids must be a 3D tensor with shape [length, batch, beam]")
    if ids.shape != parents.shape:
        raise ValueError("The shape of parents should be the same as the shape of ids")
    steps = run_op("unbind", ids, axis=0)
    origins = run_op("unbind", parents, axis=0)
    found, beam = [steps[-1]], origins[-1]
    for step, origin in zip(steps[-2::-1], origins[-2::-1], strict=True):
        found.append(run_op("take_along_axis", step, beam, Axis=1))
        beam = run_op("take_along_axis", origin, beam, Axis=1)
    return run_op("stack", found[::-1], axis=0)  # type: ignore[no-any-return]


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in the axes dim1 and dim2 of the result, with the last axis of the input on a
    diagonal.

    >>> import wherry as paddle
    >>> paddle.nn.functional.diag_embed(paddle.to_tensor([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    from ...ops.convert import to_tensor_like

    x = input if isinstance(input, Tensor) else to_tensor_like(input)
    rank = x.ndim + 1
    first, second = dim1 % rank, dim2 % rank
    if first == second:
        raise ValueError(f"dim1 and dim2 can't be the same, got {dim1} and {dim2}")
    size = x.shape[-1]
    wide = size + (offset if offset >= 0 else -offset)
    before = offset if offset > 0 else 0
    row = run_op("pad", x, paddings=[0, 0] * (x.ndim - 1) + [before, wide - size - before],
                 pad_value=0)  # fmt: skip
    spread = run_op("expand_v2", run_op("unsqueeze2", row, axes=[x.ndim - 1]),
                    shape=[*x.shape[:-1], wide, wide])  # fmt: skip
    mark = run_op("eye", num_rows=wide, num_columns=wide, dtype=x.dtype)
    mark = cast_to(run_op("roll", mark, shifts=[offset], axis=[1]) if offset else mark, bool_)
    if offset:
        ones = run_op("fill_any_like", mark, value=1, dtype=x.dtype)
        side = run_op("tril_triu", ones, diagonal=offset, lower=offset < 0)
        mark = run_op("logical_and", mark, cast_to(side, bool_))
    zero = run_op("fill_any_like", spread, value=0, dtype=x.dtype)
    out = run_op("where", mark, spread, zero)
    # The two new axes are the last ones; put them where they are wanted.
    order = list(range(rank - 2))
    for at, axis in sorted([(first, rank - 2), (second, rank - 1)]):
        order.insert(at, axis)
    return run_op("transpose2", out, axis=order)  # type: ignore[no-any-return]


__all__ = [
    "channel_shuffle", "diag_embed", "gather_tree", "pixel_unshuffle", "temporal_shift",
]  # fmt: skip
