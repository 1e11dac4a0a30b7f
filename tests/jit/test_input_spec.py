"""InputSpec in all its forms, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import InputSpec


def test_forms_and_print() -> None:
    assert repr(InputSpec([None, 784], "float32", "x")) == (
        "InputSpec(shape=(-1, 784), dtype=VarType.FP32, name=x)"
    )
    assert str(InputSpec([-1, 1], "int64", "label")) == (
        "InputSpec(shape=(-1, 1), dtype=VarType.INT64, name=label)"
    )
    spec = InputSpec((None, -7, 2))
    assert (spec.shape, spec.dtype, spec.name, spec.stop_gradient) == (
        (-1, -1, 2), paddle.float32, None, False,
    )  # fmt: skip
    shape = [None, 2]
    InputSpec(shape)
    assert shape == [None, 2], "the caller's list stays as it was"


def test_named_sizes() -> None:
    spec = InputSpec(["B", 3])
    assert spec.shape == (-1, 3) and spec.dims == ("B", 3)
    assert spec != InputSpec([None, 3])


def test_from_tensor_and_numpy() -> None:
    x = paddle.to_tensor(np.ones([2, 2], np.float32))
    assert repr(InputSpec.from_tensor(x, name="x")).endswith(
        "shape=(2, 2), dtype=VarType.FP32, name=x)"
    )
    assert InputSpec.from_tensor(x).name == x.name
    assert InputSpec.from_numpy(np.ones([3], np.int64)) == InputSpec([3], "int64")


def test_batch_and_unbatch() -> None:
    spec = InputSpec([3], "float32", "x")
    assert spec.batch(4) is spec and spec.shape == (4, 3)
    assert spec.unbatch() is spec and spec.shape == (3,)
    assert InputSpec([3]).batch([4]).shape == (4, 3)
    with pytest.raises(TypeError, match=r"type\(batch_size\) shall be `int`"):
        spec.batch("4")
    with pytest.raises(ValueError, match=r"len\(shape\) == 0"):
        InputSpec([]).unbatch()


def test_equality_and_hash() -> None:
    a, b = InputSpec([None, 3], name="a"), InputSpec([None, 3], name="b")
    assert a != b and hash(a) == hash(b)
    assert a == InputSpec([-1, 3], name="a")
    assert a != InputSpec([None, 3], "float64", "a")
    assert a != InputSpec([None, 3], name="a", stop_gradient=True)
    assert a != 3


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: InputSpec(), TypeError, "missing 1 required positional argument: 'shape'"),
    (lambda: InputSpec([2.0]), ValueError,
     r"shape\[0\] should be an `int`, but received `float`:2.0."),
    (lambda: InputSpec(3), TypeError, r"should be one of \(tuple, list\), but received int."),
    (lambda: InputSpec([1], "foo"), TypeError, "data type 'foo' not understood"),
    (lambda: InputSpec.from_tensor(np.ones(2)), ValueError,
     "should be a Tensor, but received ndarray"),
    (lambda: InputSpec.from_numpy([1]), TypeError, "should be a numpy array, but received list"),
])  # fmt: skip
def test_refusals(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
