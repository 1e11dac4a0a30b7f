"""Contractions, windows, norms, losses and embeddings beyond the table of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.dims import symbol
from wherry.ir.emit import infer_types, run_reference
from wherry.ir.infer import Guard, TensorType, inferring
from wherry.ir.opdef import get_op
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc, OpError, OpTypeError, RunError

Array = np.ndarray[Any, Any]
B = symbol("B")


def run(type: str, *inputs: Any, **attrs: Any) -> Any:
    return run_reference(get_op(type), inputs, attrs)


def f32(*shape: Any) -> TensorType:
    return TensorType(shape, as_dtype("float32"))


def infer(type: str, *types: Any, guards: list[Guard] | None = None, **attrs: Any) -> Any:
    with inferring(type, Loc("net.py", 7, "y = f(x)"), [] if guards is None else guards):
        return infer_types(get_op(type), types, attrs)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


# --- matmul


def test_matmul_says_both_shapes_and_the_line() -> None:
    with pytest.raises(OpError) as error:
        infer("matmul_v2", f32(B, 3), f32(10, 3))
    text = str(error.value)
    assert "matmul" in text and "X [-1, 3] and Y [10, 3]" in text
    assert "3 columns of X against 10 rows of Y" in text and "net.py:7: y = f(x)" in text


@pytest.mark.parametrize(
    ("x", "y", "attrs", "out"),
    [
        (f32(B, 3), f32(3, 4), {}, (B, 4)),
        (f32(B, 5, 3), f32(3), {}, (B, 5)),
        (f32(3), f32(B, 3, 4), {}, (B, 4)),
        (f32(3), f32(3), {}, ()),
        (f32(B, 1, 2, 3), f32(7, 3, 4), {}, (B, 7, 2, 4)),
        (f32(B, 3, 2), f32(B, 4, 3), {"trans_x": True, "trans_y": True}, (B, 2, 4)),
    ],
)
def test_matmul_shapes(x: Any, y: Any, attrs: Any, out: Any) -> None:
    guards: list[Guard] = []
    assert infer("matmul_v2", x, y, guards=guards, **attrs).shape == out
    assert guards == []


def test_matmul_keeps_what_it_cannot_prove_as_a_guard() -> None:
    guards: list[Guard] = []
    infer("matmul_v2", f32(2, B), f32(3, 4), guards=guards)
    assert [(g.left, g.relation, g.right) for g in guards] == [(B, "==", 3)]


def test_matmul_refuses_mixed_dtypes_and_bool() -> None:
    double, boolean = TensorType((2, 2), as_dtype("float64")), TensorType((2, 2), as_dtype("bool"))
    with pytest.raises(OpTypeError, match="float32 and float64"):
        infer("matmul_v2", f32(2, 2), double)
    with pytest.raises(OpTypeError, match="bool"):
        infer("matmul_v2", boolean, boolean)


def test_half_floats_are_summed_in_float32() -> None:
    ones = np.ones((1, 4096), np.float16)
    assert run("matmul_v2", ones, ones.T).item() == 4096  # in float16 it would stop at 2048


# --- windows


def naive_conv(x: Array, w: Array, stride: int, pad: int, dilation: int, groups: int) -> Array:
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    n, (o, c, kh, kw) = len(x), w.shape
    high = (x.shape[2] - dilation * (kh - 1) - 1) // stride + 1
    wide = (x.shape[3] - dilation * (kw - 1) - 1) // stride + 1
    out = np.zeros((n, o, high, wide))
    for k, i, j in np.ndindex(o, high, wide):
        first = k // (o // groups) * c
        rows = slice(i * stride, i * stride + dilation * (kh - 1) + 1, dilation)
        columns = slice(j * stride, j * stride + dilation * (kw - 1) + 1, dilation)
        out[:, k, i, j] = (x[:, first : first + c, rows, columns] * w[k]).sum((1, 2, 3))
    return out


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_conv_against_its_definition(data: st.DataObject) -> None:
    small = st.integers(1, 3)
    groups, stride, dilation, kernel = (data.draw(small) for _ in range(4))
    pad = data.draw(st.integers(0, 2))
    size = dilation * (kernel - 1) + 1 + data.draw(st.integers(0, 4))
    x = normal(data.draw(st.integers(0, 2)), 2 * groups, size, size + 1)
    w = normal(groups * data.draw(small), 2, kernel, kernel, seed=1)
    attrs = {
        "strides": [stride] * 2, "paddings": [pad] * 2, "dilations": [dilation] * 2,
        "groups": groups,
    }  # fmt: skip
    out = run("conv2d", x, w, **attrs)
    np.testing.assert_allclose(out, naive_conv(x, w, stride, pad, dilation, groups), atol=1e-10)
    # The gradients are its adjoints: <conv(x, w), g> == <x, dx> == <w, dw>.
    g = normal(*out.shape, seed=2)
    dx = run("conv2d_input_grad", w, g, input_size=list(x.shape[2:]), **attrs)
    dw = run("conv2d_filter_grad", x, g, filter_size=[kernel] * 2, **attrs)
    np.testing.assert_allclose([(x * dx).sum(), (w * dw).sum()], (out * g).sum(), atol=1e-8)


def test_conv_sizes_on_symbols() -> None:
    x, w = f32(B, 3, B * 2, 9), f32(8, 3, 3, 3)
    same = infer("conv2d", x, w, padding_algorithm="SAME")
    assert same.shape == (B, 8, B * 2, 9)
    guards: list[Guard] = []
    halved = infer("conv2d", x, w, guards=guards, strides=[2, 2], paddings=[1, 1])
    assert halved.shape == (B, 8, (B * 2 - 1) // 2 + 1, 5)
    assert [(g.left, g.relation, g.right) for g in guards] == [(3, "<=", B * 2 + 2)]


@pytest.mark.parametrize(
    ("types", "attrs", "message"),
    [
        ((f32(1, 4, 8, 8), f32(2, 3, 3, 3)), {}, r"channels = Filter's \* groups"),
        ((f32(1, 4, 8, 8), f32(3, 2, 3, 3)), {"groups": 2}, "divisible by groups"),
        ((f32(4, 8, 8), f32(2, 4, 3, 3)), {}, "Input with 4 dims"),
        ((f32(1, 4, 2, 8), f32(2, 4, 3, 3)), {}, "height to be at least as large as the window"),
        ((f32(1, 4, 8, 8), f32(2, 4, 3, 3)), {"strides": [0, 1]}, "positive ints as strides"),
        ((f32(1, 4, 8, 8), f32(2, 4, 3, 3)), {"paddings": [1]}, "2 or 4 paddings"),
        ((f32(1, 4, 8, 8), f32(2, 4, 3, 3)), {"data_format": "NHWC"}, "transpose the input"),
        ((f32(1, 4, 8, 8), f32(2, 4, 3, B)), {}, "Filter's height and width"),
    ],
)
def test_conv_refuses(types: Any, attrs: Any, message: str) -> None:
    with pytest.raises(OpError, match=message):
        infer("conv2d", *types, **attrs)


def naive_pool(x: Array, kind: str, kernel: int, stride: int, pad: int, ceil: bool) -> Array:
    size = x.shape[2:]
    extra = stride - 1 if ceil else 0
    counts = [(s + 2 * pad - kernel + extra) // stride + 1 for s in size]
    out = np.zeros((*x.shape[:2], *counts))
    for i, j in np.ndindex(*counts):
        rows = slice(max(i * stride - pad, 0), i * stride - pad + kernel)
        columns = slice(max(j * stride - pad, 0), j * stride - pad + kernel)
        cells = x[:, :, rows, columns].reshape(*x.shape[:2], -1)
        if cells.size:
            out[:, :, i, j] = cells.max(-1) if kind == "max" else cells.mean(-1)
        else:
            out[:, :, i, j] = -np.inf if kind == "max" else 0
    return out


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["max", "avg"]), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.data()
)
def test_pool_against_its_definition(
    kind: str, kernel: int, stride: int, ceil: bool, data: st.DataObject
) -> None:
    pad = data.draw(st.integers(0, kernel - 1))
    x = normal(2, 2, kernel + data.draw(st.integers(0, 5)), kernel + 2)
    attrs = {
        "ksize": [kernel] * 2, "strides": [stride] * 2, "paddings": [pad] * 2, "ceil_mode": ceil,
    }  # fmt: skip
    out = run("pool2d", x, pooling_type=kind, **attrs)
    np.testing.assert_allclose(out, naive_pool(x, kind, kernel, stride, pad, ceil))


def test_max_pool_points_at_its_maximum() -> None:
    x = normal(2, 3, 7, 8)
    out, mask = run("max_pool2d_with_index", x, ksize=[3, 2], strides=[2, 2], paddings=[1, 1])
    np.testing.assert_array_equal(run("max_pool2d_gather", x, mask), out)


def test_max_pool_passes_nan_on_and_takes_the_first_of_equals() -> None:
    x = np.float32([[[[1, 1, np.nan, 2], [1, 1, 3, np.nan]]]])
    out, mask = run("max_pool2d_with_index", x, ksize=[2, 2], strides=[2, 2])
    np.testing.assert_array_equal(out, np.float32([[[[1, np.nan]]]]))
    assert mask.ravel().tolist() == [0, 2]


def test_gradients_of_overlapping_windows_add_up() -> None:
    x = np.zeros((1, 1, 1, 3))
    x[..., 1] = 1
    mask = run("max_pool2d_with_index", x, ksize=[1, 2])[1]
    dx = run("max_pool2d_grad", mask, np.ones(mask.shape), input_size=[1, 3])
    assert dx.ravel().tolist() == [0, 2, 0]


def test_average_counts_padding_only_when_told() -> None:
    x = np.ones((1, 1, 2, 2), np.float32)
    attrs = {"ksize": [2, 2], "strides": [2, 2], "paddings": [1, 1]}
    assert np.unique(run("avg_pool2d", x, **attrs)).tolist() == [1.0]
    assert np.unique(run("avg_pool2d", x, exclusive=False, **attrs)).tolist() == [0.25]


# --- norms


def test_batch_norm_moves_its_running_statistics() -> None:
    x = normal(16, 3, 4, 4) * 2 + 5
    state = [np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)]
    y, mean, variance, saved, inverse = run("batch_norm", x, *state, momentum=0.75)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1, atol=1e-4)
    np.testing.assert_allclose(mean, 0.25 * x.mean((0, 2, 3)))
    np.testing.assert_allclose(variance, 0.75 + 0.25 * x.var((0, 2, 3)))  # biased, as Paddle's
    np.testing.assert_allclose(
        [saved, inverse], [x.mean((0, 2, 3)), (x.var((0, 2, 3)) + 1e-5) ** -0.5]
    )


def test_batch_norm_in_a_test_leaves_them() -> None:
    x, mean, variance = normal(4, 2), normal(2, seed=1), np.array([0.5, 2.0])
    y, mean_out, variance_out, *_ = run("batch_norm", x, None, None, mean, variance, is_test=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5))
    assert mean_out.tolist() == mean.tolist() and variance_out.tolist() == variance.tolist()


def test_layer_norm_of_large_numbers_keeps_its_digits() -> None:
    x = np.float32([[10000, 10001, 10002, 10003]])
    y, *_ = run("layer_norm", x, None, None)
    np.testing.assert_allclose(y, [[-1.34164, -0.44721, 0.44721, 1.34164]], rtol=1e-4)


@pytest.mark.parametrize(
    ("type", "types", "message"),
    [
        (
            "batch_norm",
            [f32(4, 3), f32(2), f32(3), f32(3), f32(3)],
            r"Scale .* one value per channel",
        ),
        ("batch_norm", [f32(4), f32(4), f32(4), f32(4), f32(4)], "at least 2 dims"),
        ("layer_norm", [f32(4, 3), f32(4), f32(3)], r"Scale of \[3\]"),
    ],
)
def test_norms_refuse(type: str, types: Any, message: str) -> None:
    with pytest.raises(OpError, match=message):
        infer(type, *types)


# --- losses


def test_cross_entropy_of_huge_logits_is_finite() -> None:
    logits = np.float32([[1e4, -1e4, 0], [-1e4, 1e4, 0]])
    softmax, loss = run("softmax_with_cross_entropy", logits, np.array([[0], [0]]))
    assert loss.ravel().tolist() == [0.0, 20000.0] and softmax[1].tolist() == [0, 1, 0]


def test_ignored_labels_count_nothing() -> None:
    logits, label = normal(3, 4), np.array([[1], [-100], [2]])
    _, loss = run("softmax_with_cross_entropy", logits, label)
    assert loss[1, 0] == 0 and loss[0, 0] > 0
    mean, weight = run("nll_loss", logits, label[:, 0])
    np.testing.assert_allclose([mean, weight], [-(logits[0, 1] + logits[2, 2]) / 2, 2])


@pytest.mark.parametrize("label", [4, -1, 2**40])
def test_a_label_out_of_range_is_an_error(label: int) -> None:
    for type, shape in (("softmax_with_cross_entropy", (2, 1)), ("nll_loss", (2,))):
        labels = np.array([1, label]).reshape(shape)
        with pytest.raises(RunError, match=f"label {label} is out of range.*label < 4"):
            run(type, normal(2, 4), labels)


def test_cross_entropy_says_what_label_it_needs() -> None:
    label = TensorType((B,), as_dtype("int64"))
    with pytest.raises(OpError, match=r"Label of shape \[-1, 1\] for Logits of shape \[-1, 10\]"):
        infer("softmax_with_cross_entropy", f32(B, 10), label)
    with pytest.raises(OpTypeError, match="int32 or int64, got float32"):
        infer("softmax_with_cross_entropy", f32(B, 10), f32(B, 1))


def test_binary_losses_of_certain_answers_are_finite() -> None:
    x, label = np.float32([0, 1, 0, 1]), np.float32([0, 1, 1, 0])
    assert run("bce_loss", x, label).tolist() == [0, 0, 100, 100]
    logits = np.float32([-1000, 1000, -1000, 1000])
    loss = run("sigmoid_cross_entropy_with_logits", logits, label)
    assert loss.tolist() == [0, 0, 1000, 1000]


# --- embeddings


@pytest.mark.parametrize("wrong", [5, -1])
def test_an_id_out_of_range_is_an_error(wrong: int) -> None:
    ids = np.array([[0, 1], [4, wrong]])
    with pytest.raises(RunError, match=f"index {wrong} is out of range.* < 5"):
        run("lookup_table_v2", normal(5, 3), ids)
    with pytest.raises(RunError, match=f"index {wrong} is out of range"):
        run("embedding_grad", ids, normal(2, 2, 3), num_rows=5)


def test_the_row_of_padding_is_zero_and_learns_nothing() -> None:
    w, ids = normal(4, 2), np.array([1, 2, 1])
    out = run("lookup_table_v2", w, ids, padding_idx=1)
    np.testing.assert_array_equal(out, [[0, 0], w[2], [0, 0]])
    grad = run("embedding_grad", ids, np.ones((3, 2)), num_rows=4, padding_idx=1)
    np.testing.assert_array_equal(grad, [[0, 0], [0, 0], [1, 1], [0, 0]])
