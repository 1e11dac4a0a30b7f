"""Convolutions and pooling in blocks of channels and in vectors of pixels, against references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembly import assembly_of, hottest
from kernel_harness import build, check, compiled, reference

import wherry.runtime
from wherry.codegen import Target, build_shared_object, jit
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter, run_reference
from wherry.ir.interp import run_program
from wherry.ir.opdef import get_op
from wherry.ir.program import Program
from wherry.runtime import num_threads, set_num_threads
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import as_dtype

F32 = as_dtype("float32")
IMAGE = [(0, 0), (0, 2), (0, 3)]  # batch, height and width as symbols
REGISTER = {"x86-64-v2": "xmm", "x86-64-v3": "ymm", "x86-64-v4": "zmm", "aarch64": "v.4s"}


def random(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def run(type: str, *inputs: Any, **attrs: Any) -> Any:
    """What the op means."""
    return run_reference(get_op(type), inputs, attrs)


def blocked_conv(channels: int, outputs: int, kernel: int, **attrs: Any) -> tuple[Any, Any]:
    """(a compiled convolution of blocked images of any size, its packed filter)."""
    packed = run("pack_filter", random(outputs, channels, kernel, kernel), block=16)
    count = -(-channels // 16)
    sizes = {"in_channels": channels, "out_channels": outputs, **attrs}
    program = build("conv2d_blocked", [random(1, count, 1, 1, 16), packed], IMAGE, **sizes)
    return jit(program), packed


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("outputs", "kernel", "stride"), [(32, 1, 1), (16, 3, 1), (40, 3, 2)])
def test_every_width_of_an_image(outputs: int, kernel: int, stride: int, plain: bool) -> None:
    """Rows of 1 to 70 pixels, around the sizes of tiles and vectors, in one compiled kernel."""
    attrs = {"strides": [stride, stride], "plain": plain}
    convolve, packed = blocked_conv(20, outputs, kernel, **attrs)
    sizes = {"in_channels": 20, "out_channels": outputs, **attrs}
    for width in range(kernel, 71):
        x = run("to_blocked", random(1, 20, kernel + width % 3, width))
        (got,) = convolve([x, packed])
        want = run("conv2d_blocked", x, packed, **sizes)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=f"width {width}")


@pytest.mark.parametrize("outputs", [9, 16, 33, 48, 64])
def test_known_sizes(outputs: int) -> None:
    """Tiles whose shape the row decides; blocks of outputs that are full or not."""
    for width, channels in ((7, 16), (3, 33), (1, 70), (29, 5)):
        x, w = random(2, channels, 5, width), random(outputs, channels, 3, 3)
        check("conv2d", x, w, paddings=[1, 1], rtol=1e-4, atol=1e-4)
    check("conv2d", random(1, 24, 5, 13), random(outputs, 24, 1, 1), rtol=1e-4, atol=1e-4)


def test_strides_dilations_groups_and_odd_paddings() -> None:
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    x = random(2, 32, 19, 23)
    check("conv2d", x, random(32, 32, 3, 3), strides=[2, 3], paddings=[1, 2], **tolerance)
    check("conv2d", x, random(20, 32, 3, 2), dilations=[3, 2], paddings=[0, 3, 2, 1], **tolerance)
    check("conv2d", x, random(64, 16, 3, 3), groups=2, paddings=[1, 1], **tolerance)
    check("conv2d", x, random(32, 16, 1, 1), groups=2, symbolic=IMAGE, **tolerance)
    check("conv2d", x, random(24, 4, 3, 3), groups=8, paddings=[1, 1], **tolerance)
    check("conv2d", x, random(17, 32, 3, 3), padding_algorithm="SAME", strides=[2, 2],
          symbolic=IMAGE, **tolerance)  # fmt: skip
    check("conv2d", random(1, 3, 30, 31), random(16, 3, 7, 7), strides=[2, 2], paddings=[3, 3],
          symbolic=IMAGE, **tolerance)  # fmt: skip


@pytest.mark.parametrize("wide", [7, 12])
def test_weights_that_pass_by_in_pieces(wide: int) -> None:
    """More weights than the cache keeps: the sums are kept between the pieces."""
    x, w = random(2, 272, wide + 2, wide + 2), random(64, 272, 3, 3)
    check("conv2d", x, w, rtol=1e-3, atol=1e-3)


def test_what_lies_behind_the_last_channel_is_never_read() -> None:
    x = run("to_blocked", random(1, 20, 6, 9))
    x[:, 1, :, :, 4:] = np.nan
    sizes = {"in_channels": 20, "out_channels": 32}
    w = run("pack_filter", random(32, 20, 3, 3), block=16)
    (got,) = compiled("conv2d_blocked", [x, w], **sizes)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, reference("conv2d_blocked", [x, w], **sizes)[0], atol=1e-4)
    (plain,) = compiled("from_blocked", [x], channels=20)
    assert np.isfinite(plain).all()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("outputs", "channels", "kernel"), [(6, 1, 5), (1, 1, 3), (3, 14, 2)])
def test_every_width_of_planes(outputs: int, channels: int, kernel: int, stride: int) -> None:
    w = random(2 * outputs, channels, kernel, kernel)
    attrs = {"groups": 2, "strides": [stride, stride], "paddings": [1, 0, 2, 1]}
    convolve = jit(build("conv2d_planes", [random(1, 2 * channels, 1, 1), w], IMAGE, **attrs))
    for width in range(kernel, 71):
        x = random(1, 2 * channels, kernel + width % 11, width)
        (got,) = convolve([x, w])
        np.testing.assert_allclose(
            got, run("conv2d_planes", x, w, **attrs), rtol=1e-4, atol=1e-5, err_msg=f"{width}"
        )


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 1, 2)])
def test_every_width_of_depthwise_images(kernel: int, stride: int, dilation: int) -> None:
    w = random(2, 1, kernel, kernel, 1, 16)
    attrs = {
        "strides": [stride, stride], "dilations": [dilation, dilation], "paddings": [2, 1, 3, 4],
    }  # fmt: skip
    convolve = jit(build("depthwise_blocked", [random(1, 2, 1, 1, 16), w], IMAGE, **attrs))
    span = (kernel - 1) * dilation + 1
    for width in range(max(span - 7, 1), 71):
        x = random(1, 2, max(span - 3, 1) + width % 3, width, 16)
        (got,) = convolve([x, w])
        want = run("depthwise_blocked", x, w, **attrs)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=f"width {width}")


POOLS: list[dict[str, Any]] = [
    {"ksize": [2, 2], "strides": [2, 2]},
    {"ksize": [3, 3], "strides": [2, 2], "paddings": [1, 1]},
    {"ksize": [3, 3], "strides": [1, 1], "paddings": [1, 1]},
    {"ksize": [2, 7], "strides": [3, 4], "paddings": [0, 3], "ceil_mode": True},
]


@pytest.mark.parametrize("attrs", POOLS)
def test_every_width_of_pooled_images(attrs: dict[str, Any]) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("max_pool2d", attrs), ("avg_pool2d", {**attrs, "exclusive": False}),
        ("pool2d_blocked", {**attrs, "kind": "max"}), ("pool2d_blocked", {**attrs, "kind": "avg"}),
    ]  # fmt: skip
    for type, options in cases:
        tail = (16,) if type == "pool2d_blocked" else ()
        pool = jit(build(type, [random(1, 2, 1, 1, *tail)], IMAGE, **options))
        for width in range(4, 71):
            x = random(1, 2, 3 + width % 3, width, *tail)
            x[0, 1, 1, width // 2] = np.nan
            (got,) = pool([x])
            np.testing.assert_allclose(got, run(type, x, **options), rtol=1e-5, atol=1e-6)


def test_layouts_of_every_size() -> None:
    for channels in (1, 32, 47):
        for pads in ([0, 0, 0, 0], [1, 0, 2, 3]):
            to = jit(build("to_blocked", [random(1, channels, 1, 1)], IMAGE, paddings=pads))
            back = jit(build("from_blocked", [random(1, -(-channels // 16), 1, 1, 16)], IMAGE,
                             channels=channels))  # fmt: skip
            for width in (1, 7, 8, 15, 16, 17, 31, 33, 70):
                x = random(2, channels, 1 + width % 3, width)
                want = run("to_blocked", x, paddings=pads)
                np.testing.assert_array_equal(to([x])[0], want)
                np.testing.assert_array_equal(
                    back([want])[0], run("from_blocked", want, channels=channels)
                )


def network() -> Program:
    """A few kinds of convolutions and poolings with their epilogues; the batch is a symbol."""
    program = Program()
    block, F = program.global_block, BlockEmitter(program.global_block)

    def conv(x: Any, outputs: int, kernel: int, groups: int = 1, **attrs: Any) -> Any:
        shape = (outputs, x.shape[1] // groups, kernel, kernel)
        scaled = random(*shape) / np.float32(shape[1] * kernel**2) ** 0.5
        w = program.add_constant(program.unique("w"), scaled, F32)
        b = program.add_constant(program.unique("b"), random(outputs), F32)
        pads = [kernel // 2] * 2
        made = F.conv2d(x, w, groups=groups, paddings=pads, **attrs)
        return F.elementwise_add(made, b, axis=1)

    x = block.add_arg("x", (symbol("N"), 3, 21, 23), F32)
    a = F.pool2d(F.relu(conv(x, 32, 3)), ksize=[3, 3], strides=[2, 2], paddings=[1, 1])
    b = F.relu(F.elementwise_add(conv(F.relu(conv(a, 32, 3)), 32, 3), a))
    c = F.silu(conv(F.gelu(conv(b, 24, 1)), 24, 3, groups=24))
    d = F.concat([conv(c, 16, 3, strides=[2, 2]), conv(c, 32, 1, strides=[2, 2])], axis=1)
    pooled = F.pool2d(d, ksize=[1, 1], pooling_type="avg", global_pooling=True)
    few = F.pool2d(F.relu(conv(x, 4, 5)), ksize=[2, 2], strides=[2, 2])
    block.results.extend([pooled, c, few])
    return program


def test_a_network_on_every_level_and_with_any_threads(tmp_path: Path) -> None:
    """Each instruction set's code gives the same up to rounding, any number of threads the bits."""
    program, x, before = network(), random(2, 3, 21, 23), num_threads()
    want, _ = run_program(program, [x], program.values)
    for level in supported_levels():
        path = tmp_path / f"{level}.so"
        path.write_bytes(build_shared_object(program, program.values, [level], "net"))
        model = wherry.runtime.load(path)
        found = []
        for threads in (1, 2, 4):
            set_num_threads(threads)
            found.append([np.array(one) for one in model(x)])
        set_num_threads(before)
        for one, other, ours in zip(*found, strict=True):
            assert one.tobytes() == other.tobytes() == ours.tobytes()
        for got, other in zip(found[0], want, strict=True):
            np.testing.assert_allclose(got, other, rtol=1e-4, atol=2e-5)


def test_paddings_that_are_known_at_the_call() -> None:
    """SAME with a stride pads as the image's size asks for; filters are inputs, as in training."""
    program = Program()
    block, F = program.global_block, BlockEmitter(program.global_block)
    same = {"padding_algorithm": "SAME", "strides": [2, 2]}
    x = block.add_arg("x", (symbol("N"), 3, symbol("H"), symbol("W")), F32)
    weights = [random(32, 3, 3, 3), random(32, 1, 3, 3), random(32, 32, 3, 3), random(2, 32, 5, 5)]
    w, depthwise, v, few = (block.add_arg(f"w{i}", one.shape, F32) for i, one in enumerate(weights))
    a = F.relu(F.conv2d(x, w, **same))
    b = F.conv2d(F.relu(F.conv2d(a, depthwise, groups=32, **same)), v, **same)
    block.results.extend([b, F.conv2d(a, few, **same)])
    run_it = jit(program)
    for height, width in ((9, 16), (12, 11), (3, 30)):
        arrays = [random(2, 3, height, width), *weights]
        want, _ = run_program(program, arrays, {})
        for got, other in zip(run_it(arrays), want, strict=True):
            np.testing.assert_allclose(got, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", list(REGISTER))
@pytest.mark.parametrize("width", [7, 56])
def test_hot_loops_multiply_whole_vectors_without_spills(level: str, width: int) -> None:
    packed = run("pack_filter", random(64, 32, 3, 3), block=16)
    sizes = {"in_channels": 32, "out_channels": 64}
    loop = hottest(
        assembly_of(
            build("conv2d_blocked", [random(1, 2, 9, width + 2, 16), packed], **sizes), level
        )
    )
    assert loop.vectors - {"v"} == {REGISTER[level]}  # "v": one lane, which NEON multiplies with
    assert loop.multiply_adds >= Target.named(level).vectors.conv_sums // 2
    assert loop.on_stack == []


@pytest.mark.parametrize("level", list(REGISTER))
def test_depthwise_and_few_outputs_do_not_spill(level: str) -> None:
    for type, x, w in (
        ("depthwise_blocked", random(1, 1, 9, 56, 16), random(1, 1, 3, 3, 1, 16)),
        ("conv2d_planes", random(1, 1, 28, 28), random(6, 1, 5, 5)),
    ):
        loop = hottest(assembly_of(build(type, [x, w]), level))
        assert loop.vectors - {"v"} == {REGISTER[level]}
        assert loop.on_stack == []
