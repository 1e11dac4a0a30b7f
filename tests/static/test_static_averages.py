"""Weight normalization, averages of parameters, names of gradients, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def value(name: str) -> Any:
    return np.array(static.global_scope().find_var(name).get_tensor())


@pytest.mark.parametrize(("dim", "shape", "axes"), [
    (None, (1, 1), (0, 1)), (0, (3, 1), (1,)), (1, (1, 2), (0,)), (-1, (1, 2), (0,)),
])  # fmt: skip
def test_a_normalized_weight_starts_as_the_initializer_says_and_trains_length_and_direction(
    dim: int | None, shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    first = np.arange(1.0, 7.0, dtype=np.float32).reshape(3, 2)
    initializer = paddle.nn.initializer.Assign(first)
    attr = static.WeightNormParamAttr(dim=dim, name="w", initializer=initializer)
    out = static.nn.fc(static.data("x", [None, 3]), 2, weight_attr=attr, bias_attr=False)
    paddle.optimizer.SGD(0.01).minimize(paddle.mean(out * out))
    exe = Executor()
    exe.run(static.default_startup_program())
    length, direction = value("w_g"), value("w_v")
    np.testing.assert_array_equal(direction, first)
    assert length.shape == shape
    np.testing.assert_allclose(length, np.sqrt((first**2).sum(axes, keepdims=True)), rtol=1e-6)
    (found,) = exe.run(feed={"x": X}, fetch_list=[out])
    np.testing.assert_allclose(found, X @ first, rtol=1e-5, atol=1e-6)
    (after,) = exe.run(feed={"x": X}, fetch_list=[out])
    assert (value("w_g") != length).any()
    assert (value("w_v") != direction).any()
    assert (after**2).mean() < (found**2).mean()


def trained(steps: Any = None, **options: Any) -> tuple[Any, Any, Executor]:
    """A net in training with averages, and what runs one step."""
    attr = paddle.ParamAttr(name="w", initializer=paddle.nn.initializer.Constant(2.0))
    out = static.nn.fc(static.data("x", [None, 3]), 1, weight_attr=attr, bias_attr=False)
    paddle.optimizer.SGD(0.1).minimize(paddle.mean(out * out))
    average = static.ExponentialMovingAverage(**options, thres_steps=steps)
    average.update()
    exe = Executor()
    exe.run(static.default_startup_program())
    return out, average, exe


def test_the_decay_of_averages_grows_with_the_steps() -> None:
    steps = static.create_global_var([1], 0, "int64", persistable=True, name="steps")
    paddle.increment(steps)
    _, average, exe = trained(steps, decay=0.9)
    wanted = np.zeros((3, 1))
    for step in range(1, 5):
        exe.run(feed={"x": X})
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * value("w")
    np.testing.assert_allclose(value("w_ema_0"), wanted, rtol=1e-5)
    assert value("scheduled_ema_decay_rate").item() == pytest.approx(5 / 14)
    with average.apply(exe):
        np.testing.assert_allclose(value("w"), wanted / (1 - (5 / 14) ** 4), rtol=1e-5)


def test_a_test_program_takes_the_averages_and_updates_none() -> None:
    out, average, exe = trained(decay=0.5)
    test = static.default_main_program().clone(for_test=True)
    for _ in range(2):
        exe.run(feed={"x": X})
    plain = exe.run(test, feed={"x": X}, fetch_list=[out])[0]
    with average.apply(exe):
        averaged = exe.run(test, feed={"x": X}, fetch_list=[out])[0]
        np.testing.assert_allclose(averaged, X @ value("w"), rtol=1e-5)
    assert (plain != averaged).any()
    assert value("@EMA_STEP_COUNTER@").item() == 2


def test_averages_before_the_startup_program_ran_are_an_error() -> None:
    average = static.ExponentialMovingAverage()
    with (
        pytest.raises(ValueError, match=r"Can not find Variable '@EMA_STEP.*startup"),
        average.apply(Executor()),
    ):
        pass


def test_every_variable_on_the_way_has_a_gradient_to_fetch() -> None:
    """Also where an op hands the gradient of its result on as it is."""
    x = static.data("x", [None, 3])
    x.stop_gradient = False
    loss = paddle.sum(static.nn.fc(x, 2) + 1.0)
    static.append_backward(loss)
    exe = Executor()
    exe.run(static.default_startup_program())
    names = ["fc_0.tmp_0@GRAD", "fc_0.tmp_1@GRAD", "tmp_0@GRAD", "fc_0.b_0@GRAD"]
    product, added, outer, bias = exe.run(feed={"x": X}, fetch_list=names)
    for grad in (product, added, outer):
        assert grad.tolist() == [[1.0, 1.0]] * 4
    assert bias.tolist() == [4.0, 4.0]


@pytest.mark.parametrize(("name", "text"), [
    ("sequence_pool", r"sequence_pool works on sequences of different lengths in one tensor "
                      r"\(LoD\).*pad them.*sequence_mask"),
    ("data_norm", "data_norm is not there: use paddle.static.nn.batch_norm"),
    ("nce", "nce is not there: sample classes"),
    ("nope", "has no 'nope' in wherry; it has batch_norm"),
])  # fmt: skip
def test_what_is_not_there_is_refused_with_a_way_out(name: str, text: str) -> None:
    with pytest.raises(AttributeError, match=text):
        getattr(static.nn, name)


def test_auc_refuses_what_it_cannot_count() -> None:
    scores, label = static.data("p", [None, 2]), static.data("l", [None, 1], "int64")
    with pytest.raises(ValueError, match="curve of auc must be 'ROC'"):
        static.auc(scores, label, curve="PR")
    with pytest.raises(ValueError, match="no ins_tag_weight: leave out the rows"):
        static.auc(scores, label, ins_tag_weight=label)
    with pytest.raises(ValueError, match=r"auc needs input \[N, 2\]"):
        static.auc(static.data("q", [None, 3]), label)
