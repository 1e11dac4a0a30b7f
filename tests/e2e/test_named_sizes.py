"""Sizes with names in every form of a model: a static function, what `jit.load` gives, and a shared
object in the runtime; arithmetic on them is exact, and what they must agree in is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry.aot import compile_model
from wherry.jit import to_static
from wherry.schema.errors import InputError
from wherry.static import InputSpec

Call = Callable[..., list[Any]]
X, Y = InputSpec(["B", "T", 64], name="x"), InputSpec(["B", "C"], name="y")


def sizes(x: Any, y: Any) -> list[Any]:
    b, t, c = x.shape
    return [
        x.reshape([b * 256, -1]),
        x.reshape([-1, t * 2, 32]),
        x.reshape([b, t, 8, -1]).transpose([0, 2, 1, 3]).reshape([b * 8, -1, 8]),
        paddle.zeros([(t - 1) // 2 + 1, t % 3 + 1]),
        paddle.concat([x.reshape([b, -1]), y], 1),
        paddle.full([1], b * 256 - (t - 1) // 2 + t * c, "int64"),
    ]


def wanted_shapes(b: int, t: int, c: int) -> list[list[int]]:
    return [
        [b * 256, t // 4], [b, t * 2, 32], [b * 8, t, 8], [(t - 1) // 2 + 1, t % 3 + 1],
        [b, t * 64 + c], [1],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def forms(tmp_path_factory: Any) -> dict[str, Call]:
    folder: Path = tmp_path_factory.mktemp("sizes")
    function = to_static(sizes, input_spec=[X, Y])
    paddle.jit.save(function, str(folder / "net"))
    loaded = paddle.jit.load(str(folder / "net"))
    native = wherry.runtime.load(str(compile_model(folder / "net")))

    def dynamic(run: Any) -> Call:
        return lambda x, y: [o.numpy() for o in run(paddle.to_tensor(x), paddle.to_tensor(y))]

    return {"static": dynamic(function), "loaded": dynamic(loaded), "native": native}


def given(b: int, t: int, c: int, other: int | None = None) -> tuple[Any, Any]:
    rng = np.random.default_rng(b + t)
    x = rng.random((b, t, 64), dtype=np.float32)
    return x, rng.random((b if other is None else other, c), dtype=np.float32)


@pytest.mark.parametrize("form", ["static", "loaded", "native"])
@pytest.mark.parametrize(("b", "t", "c"), [(1, 4, 1), (2, 8, 5), (3, 12, 0)])
def test_sizes_are_what_the_arithmetic_says(
    forms: dict[str, Call], form: str, b: int, t: int, c: int
) -> None:
    x, y = given(b, t, c)
    found = forms[form](x, y)
    assert [list(one.shape) for one in found] == wanted_shapes(b, t, c)
    np.testing.assert_array_equal(found[0].ravel(), x.ravel())
    np.testing.assert_array_equal(found[4], np.concatenate([x.reshape(b, -1), y], 1))
    assert found[5].tolist() == [b * 256 - (t - 1) // 2 + t * 64]


@pytest.mark.parametrize("form", ["static", "loaded", "native"])
def test_equal_names_must_agree(forms: dict[str, Call], form: str) -> None:
    with pytest.raises(InputError, match="B is 4 in x and 5 in y"):
        forms[form](*given(4, 4, 2, other=5))


@pytest.mark.parametrize("form", ["static", "loaded", "native"])
def test_what_does_not_divide_is_refused_with_the_line_and_the_sizes(
    forms: dict[str, Call], form: str
) -> None:
    with pytest.raises(ValueError, match=r"(?s)needs as many elements as X has.*5") as caught:
        forms[form](*given(2, 5, 2))
    assert "x.reshape([b * 256, -1])" in str(caught.value) or "test_named_sizes.py:28" in str(
        caught.value
    )


def test_one_name_twice_in_one_input_must_agree() -> None:
    square = to_static(lambda x: x @ x, input_spec=[InputSpec(["N", "N"], name="x")])
    assert square(paddle.ones([3, 3])).shape == [3, 3]
    with pytest.raises(InputError, match="N is 3 in size 0 of x and 4 in size 1 of x"):
        square(paddle.ones([3, 4]))


def test_two_unknown_sizes_are_refused_while_tracing() -> None:
    text = r"test_named_sizes\.py(?s:.*)reshape2 needs at most one -1"
    with pytest.raises(ValueError, match=text):
        _ = to_static(lambda x: x.reshape([-1, -1]), input_spec=[InputSpec(["B", 3])]).outputs


def test_sizes_that_cannot_be_equal_are_refused_at_the_call() -> None:
    f = to_static(lambda x: x.reshape([x.shape[0], 7]), input_spec=[InputSpec(["B", 3], name="x")])
    with pytest.raises(ValueError, match=r"needs as many elements as X has(?s:.*)size 0 of x is 2"):
        f(paddle.ones([2, 3]))


@pytest.mark.parametrize("name", ["B*2", "", "2B"])
def test_a_name_of_a_size_is_an_identifier(name: str) -> None:
    with pytest.raises(ValueError, match=r"shape\[0\].*identifier, such as 'B'"):
        InputSpec([name, 3])
