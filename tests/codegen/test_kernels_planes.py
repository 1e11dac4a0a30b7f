"""Convolutions of plain images whose size is known: they are read where they lie."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import pytest
from assembly import assembly_of, hottest
from kernel_harness import build

from wherry.codegen import jit
from wherry.ir.emit import run_reference
from wherry.ir.opdef import get_op

VECTORS = {"x86-64-v2": "xmm", "x86-64-v3": "ymm", "x86-64-v4": "zmm", "aarch64": "v.4s"}


def random(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def check(x: Any, w: Any, **attrs: Any) -> None:
    (got,) = jit(build("conv2d_planes", [x, w], **attrs))([x, w])
    want = run_reference(get_op("conv2d_planes"), [x, w], attrs)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=f"{x.shape} {attrs}")


@pytest.mark.parametrize("width", range(1, 71))
def test_every_width(width: int) -> None:
    """Also where the padding is wider than the image, or than a vector."""
    high = 1 + width % 11
    check(random(1, 2, high, width), random(2, 1, 3, 3), groups=2, paddings=[1, 1, 1, 1])
    if width % 8 in (0, 1, 7):
        check(random(1, 1, high, width), random(1, 1, 2, 5), paddings=[2, 0, 17, 3])


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_lines_that_are_left_out(stride: int, dilation: int) -> None:
    """Rows are far apart: the lines of a tile are not neighbours; some lie above and below."""
    attrs = {"strides": [stride, 1], "dilations": [dilation, dilation], "paddings": [3, 2, 1, 2]}
    for high in (1, 2, 5, 9, 20):
        check(random(2, 2, high, 19), random(4, 1, 3, 2), groups=2, **attrs)
        check(random(1, 3, high, 33), random(1, 3, 2, 3), **attrs)


def fenced(array: Any, at_end: bool) -> Any:
    """A copy of the array beside a page that must not be touched: behind it, or before it."""
    page = mmap.PAGESIZE
    inner = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, inner + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    library = ctypes.CDLL(None, use_errno=True)
    for fence in (start, start + page + inner):
        assert library.mprotect(ctypes.c_void_p(fence), page, 0) == 0
    offset = page + (inner - array.nbytes if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("width", [1, 5, 16, 31, 56])
@pytest.mark.parametrize("at_end", [False, True])
def test_nothing_is_read_outside_the_image(width: int, at_end: bool) -> None:
    x, w = random(1, 2, 6, width), random(2, 1, 3, 3)
    attrs = {"groups": 2, "paddings": [1, 1, 1, 1]}
    want = run_reference(get_op("conv2d_planes"), [x, w], attrs)
    (got,) = jit(build("conv2d_planes", [x, w], **attrs))([fenced(x, at_end), fenced(w, at_end)])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", VECTORS)
def test_a_depthwise_tile_stays_in_registers(level: str) -> None:
    x, w = random(1, 64, 56, 56), random(64, 1, 3, 3)
    program = build("conv2d_planes", [x, w], groups=64, paddings=[1, 1, 1, 1])
    loop = hottest(assembly_of(program, level))
    assert loop.vectors == {VECTORS[level]}
    assert loop.spills == []
    # Four rows of nine taps; each of their six lines is read three times, at most, and four stores.
    assert loop.multiply_adds == 36
    assert len(loop.lines) <= 36 * (1 if level != "x86-64-v2" else 3) + 18 + 4 * 2 + 12
