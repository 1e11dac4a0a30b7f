"""layout: convolutions and what is around them work on images in blocks of 16 channels.

    a = conv2d(x, w)                    a = conv2d_blocked(to_blocked(x), pack_filter(w))
    b = relu(a)                 ->      b = relu(a)
    out = conv2d(b, v)                  out = conv2d_blocked(b, pack_filter(v), plain=true)

Each op is rewritten by itself, into the blocked one between `to_blocked` and `from_blocked`, and a
`to_blocked` of what a `from_blocked` gives is the blocked value itself. So a plain image is made
only where an op that knows no blocks reads it. Only what such ops lead to from one convolution to
the next, or to a pooling, is blocked; the last convolution of a chain writes its image plainly.
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.schema.dtypes import float32

from ..dims import Dim
from ..emit import BlockEmitter
from ..infer import inferring
from ..opdef import get_op
from ..ops.blocked import BLOCK
from ..ops.conv import Geometry, geometry
from ..ops.window import as_ints
from ..program import Block, OpDesc, Program, Variable
from .base import Rewrite, live_blocks, rewrite, rule_attrs
from .dce import Dce
from .fusion import is_fusible
from .hoist import steady

# With so few outputs a vector of channels would be more than half empty.
_FEW = BLOCK // 2
# A filter that is packed at each call wants so many pixels at least.
_PIXELS = 32
# From so many pixels on a plain 1 x 1 convolution is better done as the product that it is.
_LONG = 128
_POOLS = {"max_pool2d_with_index": "max", "avg_pool2d": "avg"}


class Layout:
    """Runs on primitives, before pointwise ops are fused.

    With `inference`, filters that do not depend on inputs are packed once, not at each call.
    """

    name = "layout"

    def __init__(self, *, inference: bool = False) -> None:
        self.inference = inference

    def run(self, program: Program) -> bool:
        known = steady(program) if self.inference else set[Variable]()
        fused = {sub for op in program.all_ops() if op.type == "fusion" for sub in op.blocks}
        blocks = [block for block in live_blocks(program) if block not in fused]
        changed = [rewrite(block, _rule(block, known)) for block in blocks]
        if any(changed):
            Dce().run(program)  # plain images that nobody reads
        return any(changed)


def _rule(block: Block, known: set[Variable]) -> Rewrite:
    chooser = _Chooser(block, known)
    return chooser.replace


class _Chooser:
    """Decides for the ops of a block, before any of them is changed, and rewrites them."""

    def __init__(self, block: Block, known: set[Variable]) -> None:
        self.known, self.users = known, block.users()
        self.unread = {
            op.output("Mask")
            for op in block.ops
            if op.type == "max_pool2d_with_index"
            and op.output("Mask") not in self.users
            and op.output("Mask") not in block.results
        }
        self.wanted: set[Variable] = set()
        for op in reversed(block.ops):
            self.wanted.update(var for var in op.out_vars if self.leads_on(var))

    # -- what is worth it ------------------------------------------------------------------------

    def leads_on(self, var: Variable) -> bool:
        """Whether something that reads the image gains from its being blocked."""
        if not _is_image(var) or _channels(var) <= _FEW:
            return False
        return any(self.gains(op, var) for op in self.users.get(var, []))

    def gains(self, op: OpDesc, var: Variable) -> bool:
        if op.type == "conv2d":
            direct = self.is_direct(op) or _is_depthwise(op)
            return direct and op.input("Input") is var
        if op.type in _POOLS:
            return self.is_pool(op)
        if op.type == "concat":
            return _is_concat(op) and op.output() in self.wanted
        return is_fusible(op) and op.output().shape == var.shape and op.output() in self.wanted

    def is_direct(self, op: OpDesc) -> bool:
        """Whether a convolution is one for `conv2d_blocked`."""
        x, w = op.inputs["Input"][0], op.inputs["Filter"][0]
        if not _is_image(x) or not _is_static(w):
            return False
        groups, (outputs, channels, *_) = op.attrs["groups"], as_ints(w.shape)
        if outputs <= _FEW:
            return False
        if groups > 1 and (channels % BLOCK or outputs // groups % BLOCK):
            return False
        return w in self.known or self.has_pixels(op)

    def has_pixels(self, op: OpDesc) -> bool:
        n, _, h, w = op.out_vars[0].shape
        size = n * h * w
        return not isinstance(size, int) or size >= _PIXELS

    def is_pool(self, op: OpDesc) -> bool:
        return op.type == "avg_pool2d" or op.output("Mask") in self.unread

    # -- rewriting -----------------------------------------------------------------------------

    def replace(self, F: BlockEmitter, op: OpDesc) -> Sequence[Variable | None] | None:
        if op.type == "conv2d" and _is_image(op.inputs["Input"][0]):
            return self.conv(F, op)
        if op.type == "conv2d_filter_grad":
            return self.filter_grad(F, op)
        if op.type in _POOLS and _is_image(op.inputs["X"][0]) and self.is_pool(op):
            return self.pool(F, op)
        if op.type == "concat" and _is_concat(op):
            return self.concat(F, op)
        if is_fusible(op):
            return self.pointwise(F, op)
        return None

    def conv(self, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
        place, x, w = _geometry(op), op.inputs["Input"][0], op.inputs["Filter"][0]
        steps = {"strides": list(place.strides), "dilations": list(place.dilations)}
        pads = [side for pair in place.pads for side in pair]
        out = op.out_vars[0]
        if _is_depthwise(op) and (_source(x) is not None or out in self.wanted):
            filters = F.pack_filter(w, block=1)
            image = _blocked(F, x)
            made = F.depthwise_blocked(image, filters, paddings=pads, **steps)
            return [_plain(F, made, _channels(out))]
        if _source(x) is None and out not in self.wanted and _is_product(out, place):
            return None
        if not self.is_direct(op):
            few = _is_static(w) and as_ints(w.shape)[0] // place.groups <= _FEW
            few = few and place.strides[1] <= 2
            same = {"groups": place.groups, "paddings": pads, **steps}
            return [F.conv2d_planes(x, w, **same)] if few else None
        image = self.image(F, x, pads)
        made = F.conv2d_blocked(
            image, F.pack_filter(w, block=BLOCK if image.ndim == 5 else int(w.shape[1])),
            groups=place.groups, in_channels=_channels(x), out_channels=_channels(out),
            plain=out not in self.wanted, paddings=pads[:2], **steps,
        )  # fmt: skip
        return [_plain(F, made, _channels(out)) if out in self.wanted else made]

    def image(self, F: BlockEmitter, x: Variable, pads: list[Dim]) -> Variable:
        """A convolution's input, its sides padded; plain where a block would be mostly empty."""
        pads = [0, 0, *pads[2:]]
        padded = any(side != 0 for side in pads)
        source: Variable | None = _source(x)
        if source is None and _channels(x) > _FEW:
            return _blocked(F, x, pads)
        image: Variable = x if source is None else source
        return F.pad_planes(image, paddings=pads) if padded else image

    def filter_grad(self, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
        """What the blocked op gives, taken out of its blocks."""
        x, g, out = op.inputs["Input"][0], op.inputs["Grad"][0], op.output()
        with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
            place = geometry(x.shape[2:], out.shape[2:], rule_attrs(op))
        plain = _source(x) is None or _source(g) is None
        if not (_is_image(x) and _is_image(g)) or place.groups > 1:
            return None
        if plain and _is_product(g, place):
            return None
        pads = [side for pair in place.pads for side in pair]
        if _source(x) is not None or _channels(x) > _FEW:
            image = _blocked(F, x, pads)
        else:
            image = F.pad_planes(x, paddings=pads) if any(side != 0 for side in pads) else x
        packed = F.filter_grad_blocked(
            image, _blocked(F, g), filter_size=list(place.kernel),
            strides=list(place.strides), dilations=list(place.dilations),
        )  # fmt: skip
        turned = F.transpose2(packed, axis=[0, 5, 1, 4, 2, 3])
        outputs, lanes, blocks, block, *kernel = turned.shape
        made = F.reshape2(turned, shape=[outputs * lanes, blocks * block, *kernel])
        if made.shape != out.shape:
            made = F.slice(made, axes=[0, 1], starts=[0, 0], ends=list(out.shape[:2]))
        return [made]

    def pool(self, F: BlockEmitter, op: OpDesc) -> list[Variable | None] | None:
        x, attrs, kind = op.inputs["X"][0], rule_attrs(op), _POOLS[op.type]
        source = _source(x)
        if source is not None:
            made = _plain(F, F.pool2d_blocked(source, kind=kind, **attrs), _channels(x))
        elif kind == "max":
            made = F.max_pool2d(x, **attrs)
        else:
            return None
        return [made, *[None] * (len(op.out_vars) - 1)]

    def concat(self, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
        sources = [_source(var) for var in op.inputs["X"]]
        if None in sources:
            return None
        return [_plain(F, F.concat(sources, axis=1), _channels(op.output()))]

    def pointwise(self, F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
        """The same op on blocked operands, if the images among them are blocked already."""
        out = op.output()
        images = [var for var in op.in_vars if var.shape == out.shape]
        if out not in self.wanted or not images or not all(map(_source, images)):
            return None
        operands = {var: _operand(F, var, out) for var in op.in_vars}
        if None in operands.values():
            return None
        made = getattr(F, op.type)(
            *(operands[vars_[0]] if vars_ else None for vars_ in _slots(op)), **rule_attrs(op)
        )
        return [_plain(F, made, _channels(out))]


def _slots(op: OpDesc) -> list[list[Variable]]:
    return [op.inputs.get(slot.name, []) for slot in get_op(op.type).inputs]


def _is_image(var: Variable) -> bool:
    return var.ndim == 4 and var.dtype is float32 and isinstance(var.shape[1], int)


def _is_static(filters: Variable) -> bool:
    return all(isinstance(dim, int) for dim in filters.shape)


def _channels(var: Variable) -> int:
    channels = var.shape[1]
    assert isinstance(channels, int)
    return channels


def _geometry(op: OpDesc) -> Geometry:
    with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
        x, w = op.inputs["Input"][0], op.inputs["Filter"][0]
        return geometry(x.shape[2:], w.shape[2:], rule_attrs(op))


def _is_depthwise(op: OpDesc) -> bool:
    """A filter for each channel, and channels for a block."""
    w, groups = op.inputs["Filter"][0], op.attrs["groups"]
    return _is_static(w) and groups == as_ints(w.shape)[0] > _FEW and w.shape[1] == 1


def _is_product(out: Variable, place: Geometry) -> bool:
    """Whether a plain image is a matrix already, long enough for the tiles of a product."""
    h, w = out.shape[2:]
    pixels = h * w
    alone = place.kernel == (1, 1) == place.strides and place.groups == 1
    padded = any(side != 0 for pair in place.pads for side in pair)
    return alone and not padded and (not isinstance(pixels, int) or pixels >= _LONG)


def _is_concat(op: OpDesc) -> bool:
    """Of the channels of images, all in whole blocks."""
    parts = op.inputs["X"]
    images = all(_is_image(var) and _channels(var) % BLOCK == 0 for var in parts)
    return images and op.attrs["axis"] in (1, -3)


def _source(var: Variable) -> Variable | None:
    """The blocked image that a plain one was made of."""
    made = var.op
    return made.input("X") if made is not None and made.type == "from_blocked" else None


def _is_point(shape: Sequence[Dim]) -> bool:
    """Whether an image is one pixel of whole blocks: then both forms lie alike in memory."""
    _, c, h, w = shape
    return h == 1 == w and isinstance(c, int) and c % BLOCK == 0


def _blocked(F: BlockEmitter, x: Variable, pads: Sequence[Dim] = (0, 0, 0, 0)) -> Variable:
    source = _source(x)
    padded = any(side != 0 for side in pads)
    made: Variable
    if source is not None:
        made = F.pad_planes(source, paddings=list(pads)) if padded else source
    elif _is_point(x.shape) and not padded:
        made = F.reshape2(x, shape=[x.shape[0], _channels(x) // BLOCK, 1, 1, BLOCK])
    else:
        made = F.to_blocked(x, paddings=list(pads))
    return made


def _plain(F: BlockEmitter, x: Variable, channels: int) -> Variable:
    n, _, h, w, _ = x.shape
    made: Variable
    if _is_point((n, channels, h, w)):
        made = F.reshape2(x, shape=[n, channels, 1, 1])
    else:
        made = F.from_blocked(x, channels=channels)
    return made


def _operand(F: BlockEmitter, var: Variable, out: Variable) -> Variable | None:
    """What stands for an operand of a pointwise op whose output is blocked."""
    if var.shape == out.shape:
        return _source(var)
    n, c, h, w = (1,) * (4 - var.ndim) + tuple(var.shape)
    made: Variable
    if c == 1:
        made = var if var.ndim == 0 else F.reshape2(var, shape=[n, 1, h, w, 1])
        return made
    if c != out.shape[1] or not var.dtype.is_float:
        return None
    image = var if var.ndim == 4 else F.reshape2(var, shape=[n, c, h, w])
    return _blocked(F, image)
