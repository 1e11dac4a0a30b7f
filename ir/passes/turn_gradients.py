"""turn_gradients: the gradient of a convolution's input becomes convolutions of the output's.

    conv2d_input_grad(w, g)  ->  conv2d(g, turned(w))               strides of 1

where `turned` swaps inputs and outputs and reverses the taps. With strides of s each s-th row (and
column) of the result meets the same taps, those that lie s apart: each such phase is a convolution
with these taps alone, and the phases are interleaved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wherry.schema.dtypes import float32

from ..dims import Dim
from ..emit import BlockEmitter
from ..infer import inferring
from ..ops.conv import Geometry, geometry
from ..ops.slices import FAR
from ..ops.window import as_ints
from ..program import OpDesc, Program, Variable
from .base import each_block, rewrite, rule_attrs


class TurnGradients:
    """Runs on primitives, before images and filters are laid out in blocks.

    Half and double floats stay: for them a convolution is no faster. So do filters whose sizes are
    not known and strided ones of images whose sizes are not.
    """

    name = "turn_gradients"

    def run(self, program: Program) -> bool:
        return each_block(program, lambda block: rewrite(block, _turn))


@dataclass(frozen=True)
class _Phase:
    """Along one axis: the taps first, first + stride, ..., and the padding of their windows.

    The padding is negative where the windows begin inside of the gradient.
    """

    first: int
    taps: int
    before: int
    after: int


_Both: TypeAlias = tuple[_Phase, _Phase]


def _turn(F: BlockEmitter, op: OpDesc) -> list[Variable] | None:
    if op.type != "conv2d_input_grad" or op.output().dtype is not float32:
        return None
    w, g, out = op.inputs["Filter"][0], op.inputs["Grad"][0], op.output()
    with inferring(op.type, op.loc, []):  # its guards were stated when the op was built
        place = geometry(out.shape[2:], w.shape[2:], rule_attrs(op))
    phases = _of_both_axes(place, out, g) if _is_known(w.shape, *place.pads) else None
    if phases is None:
        return None
    turned = _Turned(F, w, g, place)
    return [_interleaved(F, [[turned.part(*of) for of in row] for row in phases], out)]


def _of_both_axes(place: Geometry, out: Variable, g: Variable) -> list[list[_Both]] | None:
    """The phases of rows, and within each those of columns; None where they are not known."""
    if place.strides == (1, 1):
        high, wide = ([_whole(place, axis)] for axis in (0, 1))
    elif place.dilations == (1, 1) and _is_known(out.shape[2:], g.shape[2:]):
        high, wide = (_phases(place, axis) for axis in (0, 1))
    else:
        return None
    return [[(row, column) for column in wide] for row in high]


def _is_known(*sizes: Sequence[Dim]) -> bool:
    return all(isinstance(dim, int) for group in sizes for dim in group)


def _whole(place: Geometry, axis: int) -> _Phase:
    kernel, dilation = place.kernel[axis], place.dilations[axis]
    before, after = (dilation * (kernel - 1) - pad for pad in as_ints(place.pads[axis]))
    return _Phase(0, kernel, before, after)


def _phases(place: Geometry, axis: int) -> list[_Phase]:
    """Each gives ceil(size / stride) elements, in places more than there is room for."""
    kernel, stride, (pad, _) = place.kernel[axis], place.strides[axis], as_ints(place.pads[axis])
    (size,), (count,) = as_ints([place.sizes[axis]]), as_ints([place.counts[axis]])
    found = []
    for start in range(min(stride, size)):
        first, centre = (start + pad) % stride, (start + pad) // stride
        taps = len(range(first, kernel, stride))
        before = taps - 1 - centre
        after = -(-size // stride) + taps - 1 - before - count
        found.append(_Phase(first, taps, before, after))
    return found


class _Turned:
    """Makes the convolutions of one gradient."""

    def __init__(self, F: BlockEmitter, w: Variable, g: Variable, place: Geometry) -> None:
        self.F, self.g, self.place = F, g, place
        groups, (outputs, channels, *self.kernel) = place.groups, as_ints(w.shape)
        self.channels = groups * channels
        cut = F.reshape2(w, shape=[groups, outputs // groups, channels, *self.kernel])
        swapped = F.transpose2(cut, axis=[0, 2, 1, 3, 4])
        self.w: Variable = F.reshape2(
            swapped, shape=[self.channels, outputs // groups, *self.kernel]
        )

    def part(self, high: _Phase, wide: _Phase) -> Variable:
        """The elements of a phase of the rows and one of the columns."""
        F, both = self.F, (high, wide)
        made: Variable
        if 0 in (high.taps, wide.taps):
            counts = [
                size + phase.before + phase.after + 1 - phase.taps
                for size, phase in zip(self.g.shape[2:], both, strict=True)
            ]
            made = F.full((self.g.shape[0], self.channels, *counts), 0.0, float32)
            return made
        pads = [max(side, 0) for phase in both for side in (phase.before, phase.after)]
        made = F.conv2d(
            self.inside(both), self.taps(both), paddings=pads,
            dilations=list(self.place.dilations), groups=self.place.groups,
        )  # fmt: skip
        return made

    def inside(self, both: _Both) -> Variable:
        """The gradient without what no window looks at."""
        edges = [(max(-phase.before, 0), min(phase.after, 0)) for phase in both]
        if edges == [(0, 0), (0, 0)]:
            return self.g
        sizes = self.g.shape[2:]
        ends = [size + after for size, (_, after) in zip(sizes, edges, strict=True)]
        found: Variable = self.F.slice(
            self.g, axes=[2, 3], starts=[before for before, _ in edges], ends=ends
        )
        return found

    def taps(self, both: _Both) -> Variable:
        """The taps of a phase, the last one first."""
        if self.kernel == [1, 1]:
            return self.w
        strides = self.place.strides
        lasts = [p.first + (p.taps - 1) * step for p, step in zip(both, strides, strict=True)]
        found: Variable = self.F.strided_slice(
            self.w, axes=[2, 3], starts=lasts, ends=[-FAR, -FAR], strides=[-s for s in strides]
        )
        return found


def _interleaved(F: BlockEmitter, parts: Sequence[Sequence[Variable]], out: Variable) -> Variable:
    """The image whose rows are in turn those of the parts, and so in each row the columns."""
    steps = [len(parts), len(parts[0])]
    if steps == [1, 1]:
        return parts[0][0]
    flat = [part for row in parts for part in row]
    found: Variable = F.interleave_planes(flat, steps=steps, size=list(out.shape[2:]))
    return found
