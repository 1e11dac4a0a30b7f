"""What the tests over the op table share: samples, slots, sizes as symbols, recording one op."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wherry.ir.dims import Dim, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.infer import TensorType
from wherry.ir.opdef import OPS, OpDef, Sample, get_op
from wherry.ir.program import Program
from wherry.schema.dtypes import as_dtype

get_op("scale")  # fills the table
SAMPLED = sorted(name for name, opdef in OPS.items() if opdef.samples)

# Sizes that must be known when the op is recorded, as {op: {input: dims}}; None: all of its dims.
COUNTED = {0: None}  # the op gives one tensor for each element along the axis
DEPTH = {1: (-1,)}  # the last dim of the index says how many dims of X it counts off
KERNEL = {1: (2, 3)}  # a kernel's height and width are written out in the loops
LEFT = {0: (0,)}  # squeeze leaves a dim other than 1 alone, which a symbol could not tell
LANES = {0: (1, -1)}  # blocks of channels
KNOWN: dict[str, dict[int, tuple[int, ...] | None]] = {
    "squeeze2": LEFT,
    "unstack": COUNTED,
    "unbind": COUNTED,
    "gather_nd": DEPTH,
    "scatter_nd_add": DEPTH,
    "conv2d": KERNEL,
    "depthwise_conv2d": KERNEL,
    "conv2d_transpose": KERNEL,
    "conv2d_input_grad": {0: (2, 3), **KERNEL},
    # Channels and kernels of blocked convolutions are written out; images may be of any size.
    "to_blocked": {0: (1,)},
    "from_blocked": LANES,
    "pad_planes": {0: (1, 4)},
    "pack_filter": {0: None},
    "conv2d_blocked": {**LANES, 1: None},
    "depthwise_blocked": {**LANES, 1: None},
    "matmul_panels": {1: None},
    "conv2d_planes": {0: (1,), 1: None},
    "pool2d_blocked": LANES,
    "filter_grad_blocked": {**LANES, 1: (1, -1)},
    "interleave_planes": dict.fromkeys(range(6), (2, 3)),
}


def each(opdef: OpDef) -> Iterator[tuple[int, Sample, list[Any]]]:
    """(number, sample, input arrays) for each sample of an op."""
    for number, sample in enumerate(opdef.samples):
        yield number, sample, sample.make(number)


def map_slots(values: Any, fn: Callable[[Any], Any]) -> Any:
    """Rule arguments with `fn` applied to each tensor; None and lists stay what they are."""
    if isinstance(values, (list, tuple)) and not isinstance(values, TensorType):
        return [map_slots(one, fn) for one in values]
    return None if values is None else fn(values)


def flat(values: Any) -> list[Any]:
    """All tensors of rule arguments or results."""
    if isinstance(values, (list, tuple)) and not isinstance(values, TensorType):
        return [one for value in values for one in flat(value)]
    return [] if values is None else [values]


def type_of(array: Any) -> TensorType:
    assert isinstance(array, np.ndarray), f"needs an array, got {type(array)}"
    return TensorType(array.shape, as_dtype(array.dtype))


class Symbols:
    """Makes sizes > 1 symbolic; equal sizes share a symbol unless `apart`."""

    def __init__(self, apart: bool) -> None:
        self.apart = apart
        self.values: dict[str, int] = {}

    def types(self, name: str, arrays: list[Any]) -> list[Any]:
        """The types of an op's inputs (by slot)."""
        return [
            map_slots(value, lambda a, i=i: self.type(a, KNOWN.get(name, {}).get(i, ())))
            for i, value in enumerate(arrays)
        ]

    def type(self, array: Any, known: tuple[int, ...] | None = ()) -> TensorType:
        kept = range(array.ndim) if known is None else [a % max(array.ndim, 1) for a in known]
        dims = (n if axis in kept else self.dim(n) for axis, n in enumerate(array.shape))
        return TensorType(tuple(dims), as_dtype(array.dtype))

    def dim(self, size: int) -> Dim:
        if size <= 1:
            return size
        name = f"d{len(self.values)}" if self.apart else f"s{size}"
        self.values[name] = size
        return symbol(name)


def symbolic_program(
    opdef: OpDef, arrays: list[Any], body: Callable[[BlockEmitter, list[Any]], Any]
) -> Program:
    """A Program with inputs of the arrays' types, sizes as symbols; `body` records the rest."""
    program = Program()
    block = program.global_block

    def argument(given: TensorType) -> Any:
        name = program.unique("x")
        return block.add_arg(name, given.shape, given.dtype, stop_gradient=False)

    types = Symbols(apart=True).types(opdef.type, arrays)
    inputs = map_slots(types, argument)
    block.results.extend(flat(body(BlockEmitter(block), inputs)))
    return program
