"""Images in blocks of 16 channels: [N, C, H, W] as [N, ceil(C / 16), H, W, 16].

The layout pass puts these ops in; users never write them. In the last block the lanes behind the
last channel hold anything: no op lets them into the others. `conv2d_blocked` pads above and below,
where it leaves out whole lines of products; at the sides `pad_planes` has done so before it.
`conv2d_planes` is for so few outputs that blocks would be empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..dims import Dim
from ..infer import TensorType, fail, require, show
from ..opdef import REQUIRED, Sample, f32, lit, op, sample
from ..rules import floats, same_dtype
from .build import need_rank
from .conv import ATTRS as CONV_ATTRS
from .conv import conv2d
from .pool import AVERAGE, WINDOW, avg_pool2d, max_pool2d_with_index
from .pool_window import geometry
from .window import pair, window_count

Array = np.ndarray[Any, Any]
BLOCK = 16


def blocks_of(channels: Dim) -> Dim:
    """How many blocks hold so many channels."""
    return (channels + (BLOCK - 1)) // BLOCK


def _need_blocked(x: TensorType, slot: str = "X") -> None:
    need_rank(x, [5], slot)
    require(x.shape[4], "==", BLOCK, f"needs {slot} [N, blocks, H, W, 16], got {show(x.shape)}")


# -- layouts ---------------------------------------------------------------------------------------


def _to_infer(x: TensorType, *, paddings: Sequence[Dim]) -> TensorType:
    need_rank(x, [4])
    n, c, h, w = _pad_infer(x, paddings=paddings).shape
    return TensorType((n, blocks_of(c), h, w, BLOCK), x.dtype)


def to_blocks(x: Array) -> Array:
    """The blocked form of x [N, C, H, W]; zeros behind the last channel."""
    n, c, h, w = x.shape
    filled = np.zeros((n, -(-c // BLOCK) * BLOCK, h, w), x.dtype)
    filled[:, :c] = x
    split = filled.reshape(n, filled.shape[1] // BLOCK, BLOCK, h, w)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 4, 2))


def _from_infer(x: TensorType, *, channels: int) -> TensorType:
    _need_blocked(x)
    n, count, h, w, _ = floats(x).shape
    require(
        count,
        "==",
        blocks_of(channels),
        f"needs blocks of {channels} channels, got {show(x.shape)}",
    )
    return TensorType((n, channels, h, w), x.dtype)


def from_blocks(x: Array, channels: int) -> Array:
    """The plain form of x [N, blocks, H, W, 16] with so many channels."""
    n, count, h, w, lanes = x.shape
    plain = x.transpose(0, 1, 4, 2, 3).reshape(n, count * lanes, h, w)
    return np.ascontiguousarray(plain[:, :channels])


to_blocked = op(
    "to_blocked", "X",
    infer=_to_infer,
    attrs={"paddings": [0, 0, 0, 0]},
    reference=lambda x, *, paddings: to_blocks(_pad(x, paddings=paddings)),
    samples=[
        sample(f32(2, 16, 3, 4)), sample(f32(1, 20, 3, 17), paddings=[1, 2, 3, 4]),
        sample(f32(1, 19, 5, 7)), sample(f32(2, 3, 1, 1)), sample(f32(0, 32, 2, 2)),
        sample(f32(1, 33, 17, 3)),
    ],
)  # fmt: skip

from_blocked = op(
    "from_blocked", "X",
    attrs={"channels": REQUIRED},
    infer=_from_infer,
    reference=lambda x, *, channels: from_blocks(x, channels),
    samples=[sample(f32(2, 1, 3, 4, 16), channels=16), sample(f32(1, 2, 5, 7, 16), channels=19),
             sample(f32(2, 1, 1, 1, 16), channels=3), sample(f32(0, 2, 2, 2, 16), channels=32),
             sample(f32(1, 3, 17, 3, 16), channels=33)],
)  # fmt: skip


def _pad_infer(x: TensorType, *, paddings: Sequence[Dim]) -> TensorType:
    need_rank(x, [4, 5])
    top, bottom, left, right = paddings
    n, c, h, w, *lanes = floats(x).shape
    return TensorType((n, c, h + (top + bottom), w + (left + right), *lanes), x.dtype)


def _pad(x: Array, *, paddings: Sequence[int]) -> Array:
    top, bottom, left, right = paddings
    kept = [(0, 0)] * (x.ndim - 4)
    return np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right), *kept])


pad_planes = op(
    "pad_planes", "X",
    attrs={"paddings": REQUIRED},
    infer=_pad_infer,
    reference=_pad,
    samples=[sample(f32(2, 3, 4, 5), paddings=[1, 1, 1, 1]),
             sample(f32(1, 2, 20, 37), paddings=[0, 2, 3, 1]),
             sample(f32(2, 2, 3, 4, 16), paddings=[1, 0, 2, 1]),
             sample(f32(1, 1, 1, 1, 16), paddings=[0, 0, 0, 0]),
             sample(f32(0, 2, 3, 4, 16), paddings=[1, 1, 1, 1])],
)  # fmt: skip


# -- convolutions ----------------------------------------------------------------------------------


def _pack_infer(w: TensorType, *, block: int) -> TensorType:
    need_rank(w, [4], "Filter")
    o, c, kh, kw = floats(w, "Filter").shape
    return TensorType((blocks_of(o), (c + (block - 1)) // block, kh, kw, block, BLOCK), w.dtype)


def pack(w: Array, *, block: int) -> Array:
    o, c, kh, kw = w.shape
    ob, cb = -(-o // BLOCK), -(-c // block)
    filled = np.zeros((ob * BLOCK, cb * block, kh, kw), w.dtype)
    filled[:o, :c] = w
    split = filled.reshape(ob, BLOCK, cb, block, kh, kw)
    return np.ascontiguousarray(split.transpose(0, 2, 4, 5, 3, 1))


def _unpack(w: Array) -> Array:
    """The filter [O, C, KH, KW] with the zeros behind its outputs and channels."""
    ob, cb, kh, kw, block, lanes = w.shape
    return w.transpose(0, 5, 1, 4, 2, 3).reshape(ob * lanes, cb * block, kh, kw)


pack_filter = op(
    "pack_filter", "Filter",
    attrs={"block": REQUIRED},
    infer=_pack_infer,
    reference=pack,
    samples=[sample(f32(16, 16, 3, 3), block=16), sample(f32(20, 3, 2, 3), block=3),
             sample(f32(9, 18, 1, 1), block=16), sample(f32(32, 1, 3, 3), block=1)],
)  # fmt: skip

BLOCKED: Mapping[str, Any] = {
    "strides": [1, 1], "dilations": [1, 1], "groups": 1, "in_channels": REQUIRED,
    "out_channels": REQUIRED, "plain": False, "paddings": [0, 0],
}  # fmt: skip


def _conv_infer(
    x: TensorType, w: TensorType, *, strides: Any, dilations: Any, groups: int,
    in_channels: int, out_channels: int, plain: bool, paddings: Any,
) -> TensorType:  # fmt: skip
    need_rank(x, [4, 5], "Input")
    need_rank(w, [6], "Filter")
    same_dtype(floats(x, "Input"), w, "Input and Filter")
    given = f"got Input = {show(x.shape)}, Filter = {show(w.shape)} and groups = {groups}"
    count = in_channels if x.ndim == 4 else blocks_of(in_channels)
    require(x.shape[1], "==", count, f"needs Input of {in_channels} channels, {given}")
    if groups > 1 and (in_channels // groups % BLOCK or out_channels // groups % BLOCK):
        fail(f"needs groups of whole blocks of channels, {given}")
    block, per_group = w.shape[4], in_channels // groups
    if x.ndim == 5:
        require(block, "==", BLOCK, f"needs Filter packed for blocks, {given}")
    require(w.shape[1] * block, "<=", per_group + (block - 1), f"needs as many channels, {given}")
    require(w.shape[0], "==", blocks_of(out_channels), f"needs {out_channels} outputs, {given}")
    kernel = pair(w.shape[2:4], "Filter's height and width")
    steps, gaps = pair(strides, "strides"), pair(dilations, "dilations")
    names = ("Input's height", "Input's width")
    pads = tuple(paddings), (0, 0)
    counts = [
        window_count(x.shape[2 + i], kernel[i], steps[i], gaps[i], pads[i], names[i])
        for i in (0, 1)
    ]
    if plain:
        return TensorType((x.shape[0], out_channels, *counts), x.dtype)
    return TensorType((x.shape[0], w.shape[0], *counts, BLOCK), x.dtype)


def _conv(
    x: Array, w: Array, *, strides: Any, dilations: Any, groups: int, in_channels: int,
    out_channels: int, plain: bool, paddings: Any,
) -> Array:  # fmt: skip
    assert conv2d.reference is not None
    image = x if x.ndim == 4 else from_blocks(x, in_channels)
    pads = [*paddings, 0, 0]
    steps = {"strides": strides, "dilations": dilations, "paddings": pads, "groups": groups}
    filters = _unpack(w)[:out_channels, : in_channels // groups]
    out: Array = conv2d.reference(image, filters, **{**CONV_ATTRS, **steps})
    return out if plain else to_blocks(out)


def _packed(o: int, c: int, kh: int, kw: int, block: int = BLOCK) -> Any:
    """A packed filter with zeros behind its outputs, as `pack_filter` makes it."""
    rng = np.random.default_rng(o + c)
    return lit(pack(rng.uniform(-1, 1, (o, c, kh, kw)).astype(np.float32), block=block))


def _conv_samples() -> list[Sample]:
    def case(x: Any, o: int, c: int, kernel: tuple[int, int], groups: int = 1, **attrs: Any) -> Any:
        block = BLOCK if len(x.shape) == 5 else c // groups
        sizes = {"in_channels": c, "out_channels": o, "groups": groups, **attrs}
        return sample(x, _packed(o, c // groups, *kernel, block), atol=1e-4, rtol=1e-4, **sizes)

    return [
        case(f32(2, 1, 5, 6, 16), 16, 16, (3, 3)),
        case(f32(1, 2, 9, 17, 16), 40, 20, (3, 2), strides=[2, 1]),
        case(f32(1, 2, 9, 17, 16), 40, 20, (3, 2), strides=[1, 2], plain=True),
        case(f32(2, 3, 8, 8), 32, 3, (3, 3), dilations=[2, 3]),
        case(f32(1, 3, 9, 8), 19, 3, (7, 5), strides=[2, 2], plain=True),
        case(f32(1, 2, 7, 7, 16), 64, 32, (1, 1)),
        case(f32(1, 32, 7, 7), 16, 32, (1, 1), plain=True),
        case(f32(1, 4, 4, 5, 16), 32, 64, (3, 3), groups=2),
        case(f32(1, 64, 4, 5), 64, 64, (1, 3), groups=4),
        case(f32(0, 1, 5, 6, 16), 16, 16, (3, 3)),
        case(f32(2, 1, 3, 9, 16), 16, 16, (3, 3), paddings=[1, 1]),
        case(f32(1, 2, 1, 8, 16), 48, 32, (2, 2), paddings=[3, 0], strides=[2, 1], plain=True),
        case(f32(1, 3, 4, 9), 32, 3, (3, 3), paddings=[2, 3], dilations=[2, 1]),
        case(f32(1, 1, 2, 5, 16), 16, 16, (1, 1), paddings=[1, 2]),
    ]


conv2d_blocked = op(
    "conv2d_blocked", "Input Filter",
    attrs=BLOCKED,
    infer=_conv_infer,
    reference=_conv,
    samples=_conv_samples(),
)  # fmt: skip


def _depthwise_infer(
    x: TensorType, w: TensorType, *, strides: Any, dilations: Any, paddings: Any
) -> TensorType:
    _need_blocked(x, "Input")
    need_rank(w, [6], "Filter")
    same_dtype(floats(x, "Input"), w, "Input and Filter")
    given = f"got Input = {show(x.shape)} and Filter = {show(w.shape)}"
    require(x.shape[1], "==", w.shape[0], f"needs a filter for each channel, {given}")
    require(w.shape[1] * w.shape[4], "==", 1, f"needs filters of one channel, {given}")
    kernel = pair(w.shape[2:4], "Filter's height and width")
    steps, gaps = pair(strides, "strides"), pair(dilations, "dilations")
    names, pads = ("Input's height", "Input's width"), (paddings[:2], paddings[2:])
    counts = [
        window_count(x.shape[2 + i], kernel[i], steps[i], gaps[i], tuple(pads[i]), names[i])
        for i in (0, 1)
    ]
    return TensorType((*x.shape[:2], *counts, BLOCK), x.dtype)


def _depthwise(x: Array, w: Array, *, strides: Any, dilations: Any, paddings: Any) -> Array:
    assert conv2d.reference is not None
    channels = x.shape[1] * BLOCK
    attrs = {"strides": strides, "dilations": dilations, "paddings": paddings, "groups": channels}
    out = conv2d.reference(from_blocks(x, channels), _unpack(w), **{**CONV_ATTRS, **attrs})
    return to_blocks(out)


depthwise_blocked = op(
    "depthwise_blocked", "Input Filter",
    attrs={"strides": [1, 1], "dilations": [1, 1], "paddings": [0, 0, 0, 0]},
    infer=_depthwise_infer,
    reference=_depthwise,
    samples=[
        sample(f32(2, 1, 5, 6, 16), f32(1, 1, 3, 3, 1, 16), paddings=[1, 1, 1, 1], atol=1e-5),
        sample(f32(1, 2, 9, 20, 16), f32(2, 1, 3, 3, 1, 16), strides=[2, 2],
               paddings=[0, 1, 0, 1], atol=1e-5),
        sample(f32(1, 2, 9, 9, 16), f32(2, 1, 5, 2, 1, 16), dilations=[2, 3],
               paddings=[4, 3, 2, 1], atol=1e-5),
        sample(f32(1, 1, 1, 1, 16), f32(1, 1, 3, 3, 1, 16), paddings=[1, 1, 1, 1], atol=1e-5),
        sample(f32(0, 1, 5, 6, 16), f32(1, 1, 3, 3, 1, 16)),
    ],
)  # fmt: skip


def _planes_infer(x: TensorType, w: TensorType, *, paddings: Any, **attrs: Any) -> TensorType:
    made: TensorType = conv2d.infer(x, w, **{**CONV_ATTRS, **attrs, "paddings": paddings})
    return made


def _planes(x: Array, w: Array, **attrs: Any) -> Array:
    assert conv2d.reference is not None
    made: Array = conv2d.reference(x, w, **{**CONV_ATTRS, **attrs})
    return made


conv2d_planes = op(
    "conv2d_planes", "Input Filter",
    attrs={"strides": [1, 1], "dilations": [1, 1], "paddings": [0, 0, 0, 0], "groups": 1},
    infer=_planes_infer,
    reference=_planes,
    samples=[
        sample(f32(2, 1, 8, 28), f32(6, 1, 5, 5), paddings=[2, 2, 2, 2], atol=1e-5),
        sample(f32(1, 4, 9, 21), f32(4, 1, 3, 3), groups=4, paddings=[1, 0, 1, 1], atol=1e-5),
        sample(f32(1, 3, 9, 37), f32(5, 3, 3, 2), strides=[2, 2], dilations=[1, 2], atol=1e-5),
        sample(f32(2, 6, 4, 5), f32(4, 3, 1, 1), groups=2, atol=1e-5),
        sample(f32(1, 12, 7, 9), f32(2, 12, 3, 3), strides=[1, 3], paddings=[1, 1, 1, 1],
               atol=1e-5),
        sample(f32(0, 1, 5, 5), f32(2, 1, 3, 3)),
    ],
)  # fmt: skip


# -- pooling ---------------------------------------------------------------------------------------


def _max_infer(x: TensorType, **attrs: Any) -> TensorType:
    need_rank(x, [4])
    return TensorType((*x.shape[:2], *geometry(floats(x).shape[2:], attrs).counts), x.dtype)


def _max_pool(x: Array, **attrs: Any) -> Array:
    assert max_pool2d_with_index.reference is not None
    out: Array = max_pool2d_with_index.reference(x, **attrs)[0]
    return out


def _pool_infer(x: TensorType, *, kind: str, exclusive: bool, **attrs: Any) -> TensorType:
    _need_blocked(x)
    if kind not in ("max", "avg"):
        fail(f"needs kind 'max' or 'avg', got {kind!r}")
    counts = geometry(floats(x).shape[2:4], attrs).counts
    return TensorType((*x.shape[:2], *counts, BLOCK), x.dtype)


def _pool(x: Array, *, kind: str, exclusive: bool, **attrs: Any) -> Array:
    assert avg_pool2d.reference is not None
    image = from_blocks(x, x.shape[1] * BLOCK)
    if kind == "max":
        return to_blocks(_max_pool(image, **attrs))
    return to_blocks(avg_pool2d.reference(image, exclusive=exclusive, **attrs))


_POOLS: list[tuple[int, int, dict[str, Any]]] = [
    (4, 6, {"ksize": [2, 2], "strides": [2, 2]}),
    (9, 37, {"ksize": [3, 3], "strides": [2, 2], "paddings": [1, 1]}),
    (5, 41, {"ksize": [3, 2], "strides": [1, 1], "paddings": [0, 1]}),
    (5, 30, {"ksize": [2, 3], "strides": [2, 3], "ceil_mode": True}),
    (5, 7, {"ksize": [2, 3], "adaptive": True}),
    (7, 7, {"ksize": [1, 1], "adaptive": True}),
]

max_pool2d = op(
    "max_pool2d", "X",
    attrs=WINDOW,
    infer=_max_infer,
    reference=_max_pool,
    samples=[*(sample(f32(2, 2, h, w), **attrs) for h, w, attrs in _POOLS),
             sample(lit([[[[1.0, 1.0, np.nan, 2.0], [1.0, 1.0, 3.0, np.nan]]]]),
                    ksize=[2, 2], strides=[2, 2])],
)  # fmt: skip

pool2d_blocked = op(
    "pool2d_blocked", "X",
    attrs={**AVERAGE, "kind": REQUIRED},
    infer=_pool_infer,
    reference=_pool,
    samples=[
        sample(f32(1, 2, h, w, 16), kind=kind, exclusive=exclusive, **attrs)
        for h, w, attrs in _POOLS
        for kind, exclusive in (("max", True), ("avg", True), ("avg", False))
    ],
)  # fmt: skip
