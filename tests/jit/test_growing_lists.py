# ruff: noqa: PERF401, PERF402, RUF005  (the statements are what is tested)
"""Lists whose length a tensor decides: equal to dynamic mode, in native loops, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.inference import Config, create_predictor
from wherry.jit import to_static
from wherry.schema.errors import ConversionError, ModelFormatError
from wherry.static import InputSpec


def appended(x: Any) -> Any:
    found, i = [], paddle.to_tensor(0)
    while i < x.sum():
        found.append(x * i)
        i = i + 1
    return found, len(found), i


def stacked_and_joined(x: Any) -> Any:
    found = [x]
    for i in range((x > 0).sum() * 3):
        found.append(x * i)
    return paddle.stack(found), paddle.stack(found, axis=1), paddle.concat(found)


def appended_in_branches(x: Any) -> Any:
    found = [x.sum()]
    for i in range(x.shape[0]):
        if x[i] > 0:
            found.append(x[i])
        elif x[i] < -1:
            found += [x[i], x[i] * 2]
    return paddle.stack(found), found[-1], found[0]


def written_and_popped(x: Any) -> Any:
    found = [x, x + 1]
    i = paddle.to_tensor(0)
    while i < x.sum():
        found.append(x * i)
        found[0] = found[i] + found[-1]
        i = i + 1
    last = found.pop()
    found[0] = last * 2
    return found, last


def iterated(x: Any) -> Any:
    found = [(x, 1)]
    for i in range((x > 0).sum()):
        found.append((x * i, i))
    total = x * 0
    for vector, number in found:
        total = total + vector * number
    for i, (vector, _) in enumerate(found):
        total = total + vector * i
    return total


def truth(x: Any) -> Any:
    found = []
    if x.sum() > 1:
        found.append(x)
    if found:
        return found[0] * 2
    return x


def spread(x: Any) -> Any:
    found = [x]
    for i in range((x > 0).sum()):
        found.append(x + i)
    more = [x, *found, x - 1, *found]
    left = iter([1, 2])
    return paddle.stack(more), [*left, next(left, 7), *range(2)], [*found][-1]


def until_a_break(x: Any) -> Any:
    found = []
    for i in range(30):
        found.append(x * i)
        if (x * i).sum() > 20:
            break
    return found, len(found)


def by_another_name(x: Any) -> Any:
    class Box:
        items: Any

    box = Box()
    box.items = []
    alias = box.items
    for i in range((x > 0).sum()):
        alias.append(x + i)
    return box.items + [x]


def joined_anew(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found = found + [found[-1] * 2]
    return found[0:1], found


def numbers(x: Any) -> Any:
    found, i = [0], 0
    while i < x.sum():
        i += 1
        found.append(i)
    return found[-1], len(found)


def inside_of_others(x: Any) -> Any:
    pair, by_name, rows = [[], [x]], {"all": [], "even": [x]}, {k: [] for k in "ab"}
    listed = [[] for _ in range(2)]
    listed.append([])
    i = paddle.to_tensor(0)
    while i < x.sum():
        pair[1].append(x + i)
        listed[1].append(x * i)
        listed[-1].append(i)
        by_name["all"].append(i)
        if i % 2 == 0:
            by_name["even"].append(x * i)
            rows["a"].append(i)
        i = i + 1
    return pair, by_name, rows, listed, len(by_name["even"])


def only_in_the_branch(x: Any) -> Any:
    y = x
    if x.sum() > 0:
        found = []
        found.append(x)
        found.append(x * 2)
        y = found[1] + len(found)
    return y


def anywhere(x: Any) -> Any:
    def made(rows: Any, more: Any = None) -> Any:
        more = more or []
        if x.sum() > 0:
            rows.append(x)
            more.append(x)
        return rows + [x], more

    many, short = made([x]), (lambda: 2 * [x])()
    if x[0] > 0:
        short += [x]
    return many, made([x] + [x * 2]), short, len(short), type(short) is list, type([]) is list


CASES = [
    appended, stacked_and_joined, appended_in_branches, written_and_popped, iterated, truth,
    spread, until_a_break, by_another_name, joined_anew, numbers, inside_of_others,
    only_in_the_branch, anywhere,
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value.tolist() if isinstance(value, paddle.Tensor) else value


@pytest.mark.parametrize("function", CASES, ids=[case.__name__ for case in CASES])
def test_equals_dynamic(function: Callable[..., Any]) -> None:
    static = to_static(function)
    for values in ([1.0, 2.0], [-2.0, -1.0], [0.0, 1.0], [9.0, 8.0], [0.0, 30.0]):
        x = paddle.to_tensor(values)
        assert plain(static(x)) == plain(function(x)), values


def test_gradients() -> None:
    def loss(x: Any, n: Any) -> Any:
        found = [x]
        for _ in range(n):
            found.append(found[-1] * x)
        return paddle.stack(found).sum()

    static = to_static(loss)
    for count in (0, 1, 3):
        grads = []
        for function in (loss, static):
            x = paddle.to_tensor([1.5, -0.5])
            x.stop_gradient = False
            function(x, paddle.to_tensor(count)).backward()
            grads.append(x.grad.numpy())
        np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5)


def test_gradients_of_what_the_list_begins_with() -> None:
    @to_static
    def loss(x: Any, n: Any) -> Any:
        found = [x]
        for _ in range(n):
            found.append(found[-1] * 2)
        return paddle.stack(found).sum()

    for count in (0, 1, 4):
        x = paddle.to_tensor([1.5, -0.5])
        x.stop_gradient = False
        loss(x, paddle.to_tensor(count)).backward()
        assert x.grad.tolist() == [2.0 ** (count + 1) - 1] * 2


def test_what_is_printed_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    @to_static
    def f(x: Any) -> Any:
        print("sum:", x.sum())
        found, i = [], 0
        while i < x.sum():
            found.append(x)
            i += 1
        return len(found)

    assert int(f(paddle.full([2], 40.0))) == 80
    assert capsys.readouterr().out.count("sum:") == 1


def test_an_index_out_of_range_is_pythons_error() -> None:
    @to_static
    def f(x: Any) -> Any:
        found = [x]
        for _ in range((x > 0).sum()):
            found.append(x)
        return found[2]

    assert plain(f(paddle.ones([2]))) == [1, 1]
    with pytest.raises(IndexError, match="list index out of range"):
        f(-paddle.ones([2]))


def other_shapes(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found.append(paddle.concat([x, x]))
    return found


def stacked_in_the_loop(x: Any) -> Any:
    found = [x]
    for _ in range((x > 0).sum()):
        found.append(x)
        x = paddle.stack(found).sum(0)
    return x


def sorted_after(x: Any) -> Any:
    found = [1]
    for i in range((x > 0).sum()):
        found.append(i)
    found.sort()
    return found


@pytest.mark.parametrize("function", [other_shapes, stacked_in_the_loop, sorted_after])
def test_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=r"test_growing_lists|contents of a"):
        to_static(function)(paddle.ones([2]))


SAVED = [appended, stacked_and_joined, iterated, spread, until_a_break, numbers, only_in_the_branch,
         inside_of_others]  # fmt: skip


@pytest.mark.parametrize("function", SAVED, ids=[case.__name__ for case in SAVED])
def test_saved_and_loaded(function: Callable[..., Any], tmp_path: Path) -> None:
    paddle.jit.save(to_static(function, [InputSpec([2])]), str(tmp_path / "f"))
    loaded = paddle.jit.load(str(tmp_path / "f"))
    for values in ([1.0, 2.0], [-2.0, -1.0], [9.0, 90.0], [0.0, 1.0]):
        x = paddle.to_tensor(values)
        assert plain(loaded(x)) == plain(function(x)), values


def rows(x: Any, length: Any) -> Any:
    found = [x]
    while length > len(found):
        found.append(found[-1] * 2)
    return paddle.stack(found), [found]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    spec = [InputSpec(["capacity_0"], name="x"), InputSpec([], "int64", name="length_0")]
    paddle.jit.save(to_static(rows, spec), str(tmp_path / "rows"))
    return str(tmp_path / "rows")


def test_a_loaded_model_trains_and_is_saved_again(saved: str) -> None:
    loaded = paddle.jit.load(saved)
    paddle.jit.save(loaded, saved + "_again")
    loaded = paddle.jit.load(saved + "_again")
    for count in (3, 60, 2):
        x = paddle.to_tensor([1.0, 0.5, 0.0])
        x.stop_gradient = False
        stacked, (listed,) = loaded(x, paddle.to_tensor(count))
        assert (stacked.shape, len(listed)) == ([count, 3], count)
        stacked.sum().backward()
        assert x.grad.tolist() == [2.0**count - 1] * 3


def test_a_loaded_model_inside_of_a_static_function(saved: str) -> None:
    loaded = paddle.jit.load(saved)

    @to_static
    def f(x: Any, n: Any) -> Any:
        short, (listed,) = loaded(x, n)
        long, _ = loaded(x, n * 2)
        for row in listed:
            x = x + row
        return short, long, x, len(listed)

    for count in (1, 40, 3):
        short, long, total, length = f(paddle.ones([2]), paddle.to_tensor(count))
        assert (short.shape, long.shape, int(length)) == ([count, 2], [2 * count, 2], count)
        assert total.tolist() == [2.0**count] * 2

    @to_static
    def g(x: Any, n: Any) -> Any:
        for i in range(n):
            x = loaded(x, i)[0].sum(0)
        return x

    with pytest.raises(ConversionError, match="each round would need other sizes"):
        g(paddle.ones([2]), paddle.to_tensor(3))


def test_the_inference_predictor_guesses_too(saved: str) -> None:
    predictor = create_predictor(Config(saved + ".pdmodel", saved + ".pdiparams"))
    assert predictor.get_input_names() == ["x", "length_0"]
    for count in (50, 2):
        found = predictor.run([np.ones(2, "float32"), np.array(count)])
        assert found[0].tolist() == [[2.0**i] * 2 for i in range(count)]


def test_an_executor_refuses_such_a_model(saved: str) -> None:
    with pytest.raises(ModelFormatError, match=r"load it with paddle\.jit\.load"):
        paddle.static.load_inference_model(saved, None)


def test_lengths_must_fit_other_shapes_of_their_call_only() -> None:
    @to_static(input_spec=[InputSpec([2]), InputSpec([None, 2])])
    def f(x: Any, y: Any) -> Any:
        found = [x]
        while len(found) < x.sum():
            found.append(x)
        return paddle.stack(found) + y

    for length in (3, 5, 2):  # each time a guess that does not fit y
        x, y = paddle.full([2], length / 2), paddle.ones([length, 2])
        assert f(x, y).tolist() == [[length / 2 + 1] * 2] * length
    with pytest.raises(ValueError, match="needs shapes that broadcast"):
        f(paddle.full([2], 2.0), paddle.ones([3, 2]))


def test_many_elements_from_the_start() -> None:
    @to_static
    def f(x: Any) -> Any:
        found = [x + i for i in range(50)]
        for i in range((x > 0).sum()):
            found.append(x * i)
        return found

    assert len(f(paddle.ones([2]))) == 52


def test_a_length_that_must_be_another_size_is_known_before_it_is_refused() -> None:
    weight = paddle.ones([3, 2])

    @to_static
    def f(n: Any, x: Any) -> Any:
        found = []
        i = paddle.zeros([], "int64")
        while i < n:
            found.append(x * i)
            i = i + 1
        return paddle.stack(found).reshape([1, -1]).matmul(weight)

    x = paddle.ones([1])
    for n in (3, 2, 3, 4):
        if n == 3:
            assert f(paddle.to_tensor(n), x).tolist() == [[3.0, 3.0]]
            continue
        with pytest.raises(ValueError, match=rf"inner sizes agree.*size 0 of length_0 is {n}"):
            f(paddle.to_tensor(n), x)
