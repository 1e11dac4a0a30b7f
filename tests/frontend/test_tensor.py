"""The Tensor itself: dtypes, promotion, views, writes in place, indexing, printing."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import wherry as paddle
from wherry.schema.errors import OpError, OpTypeError

INTS = paddle.to_tensor([1, 2, 3])
FLOATS = paddle.to_tensor([1.0, 2.0, 3.0])
DOUBLES = paddle.to_tensor([1.0, 2.0, 3.0], dtype="float64")
BOOLS = paddle.to_tensor([True, False, True])


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"), (1.5, "float32"), (True, "bool"), ([1, 2], "int64"), ([1, 2.5], "float32"),
        (np.float64(1), "float64"), (np.arange(3, dtype="int32"), "int32"), (np.ones(2), "float64"),
        ([np.float32(1)], "float32"), ([[True]], "bool"), ([], "float32"),
    ],
)  # fmt: skip
def test_to_tensor_dtypes(data, dtype):
    assert paddle.to_tensor(data).dtype is getattr(paddle, dtype)


def test_to_tensor_refuses_what_is_no_data():
    with pytest.raises(ValueError, match="different lengths"):
        paddle.to_tensor([[1], [1, 2]])
    with pytest.raises(ValueError, match="needs numbers"):
        paddle.to_tensor("text")


# What real Paddle 2.6.2 gives for these expressions: dtype and values. (Only a numpy number beside
# integers differs: there it is truncated, here it counts as a Python number.)
PROMOTION = [
    ("INTS / INTS", "float32", [1, 1, 1]), ("INTS + 1.5", "float32", [2.5, 3.5, 4.5]),
    ("INTS + FLOATS", "int64", [2, 4, 6]), ("FLOATS + INTS", "float32", [2, 4, 6]),
    ("FLOATS + DOUBLES", "float64", [2, 4, 6]), ("DOUBLES + FLOATS", "float64", [2, 4, 6]),
    ("INTS ** 2.0", "float32", [1, 4, 9]), ("INTS ** 2", "int64", [1, 4, 9]),
    ("2 ** INTS", "int64", [2, 4, 8]), ("2.0 ** INTS", "float32", [2, 4, 8]),
    ("INTS // 2", "int64", [0, 1, 1]), ("INTS // 2.5", "float32", [0, 0, 1]),
    ("INTS % 2.5", "float32", [1, 2, 0.5]), ("INTS > 1.5", "bool", [False, True, True]),
    ("BOOLS + 1", "bool", [True, True, True]), ("BOOLS * 1.5", "float32", [1.5, 0, 1.5]),
    ("FLOATS * BOOLS", "float32", [1, 0, 3]), ("1 - INTS", "int64", [0, -1, -2]),
    ("1 / INTS", "float32", [1, 0.5, 1 / 3]), ("FLOATS + np.array([1, 2, 3])", "float32", [2, 4,
    6]),
    ("FLOATS + np.float64(1.5)", "float32", [2.5, 3.5, 4.5]),
    ("INTS + np.float32(1.5)", "int64", [2, 3, 4]), ("~BOOLS", "bool", [False, True,
    False]),
    ("~INTS", "int64", [-2, -3, -4]), ("-INTS", "int64", [-1, -2, -3]),
    ("INTS == 1", "bool", [True, False, False]), ("INTS.exp()", "float32", np.exp([1, 2, 3])),
    ("INTS.sum()", "int64", 6), ("BOOLS.sum()", "int64", 2), ("INTS.max()", "int64", 3),
    ("INTS.astype('int32').sum()", "int64", 6), ("INTS.astype('int32').prod()", "int32", 6),
    ("FLOATS.astype('float16') + 1", "float16", [2, 3, 4]), ("abs(-INTS)", "int64", [1, 2, 3]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "dtype", "values"), PROMOTION, ids=[p[0] for p in PROMOTION])
def test_promotion_is_paddles(text, dtype, values):
    result = eval(text)
    assert result.dtype is getattr(paddle, dtype)
    np.testing.assert_allclose(result.numpy(), values, rtol=1e-6)


def test_functions_refuse_mixed_integer_and_float():
    with pytest.raises(OpTypeError, match=r"test_tensor\.py:\d+: paddle\.add"):
        paddle.add(INTS, FLOATS)
    assert paddle.add(FLOATS, DOUBLES).dtype is paddle.float64


def test_errors_name_op_shapes_and_line():
    with pytest.raises(OpError) as caught:
        paddle.ones([2, 3]) + paddle.ones([4])
    text = str(caught.value)
    assert "elementwise_add" in text and "[2, 3]" in text and "[4]" in text
    assert "test_tensor.py" in text and "paddle.ones([2, 3]) + paddle.ones([4])" in text
    with pytest.raises(OpTypeError, match="must be Tensor, but got list"):
        paddle.matmul([1.0], paddle.ones([1]))


VIEWS = {
    "reshape": lambda x: x.reshape([2, 3]), "t": lambda x: x.reshape([2, 3]).t(),
    "slice": lambda x: x[1:3], "item": lambda x: x[0], "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(), "detach": lambda x: x.detach(),
    "unbind": lambda x: x.unbind()[0], "flatten": lambda x: x.reshape([2, 3]).flatten(),
    "step": lambda x: x[::2], "none": lambda x: x[None], "T": lambda x: x.reshape([2, 3]).T,
    "view": lambda x: x.view([3, 2]), "diagonal": lambda x: x.reshape([2, 3]).diagonal(),
    "data": lambda x: x.data, "moveaxis": lambda x: x.reshape([2, 3]).moveaxis(0, 1),
}  # fmt: skip
COPIES = {
    "split": lambda x: paddle.split(x, 2)[0], "expand": lambda x: x.expand([2, 6]),
    "astype": lambda x: x.astype("float32"), "assign": lambda x: paddle.assign(x),
    "clone": lambda x: x.clone(), "tile": lambda x: x.tile([1]), "scale": lambda x: x * 1,
    "to_tensor": lambda x: paddle.to_tensor(x), "unstack": lambda x: paddle.unstack(x)[0],
    "dropout": lambda x: paddle.nn.functional.dropout(x, 0.5, training=False),
    "mask": lambda x: x[paddle.to_tensor([True] * 6)], "gather": lambda x: x[[0, 1]],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_write_through(name):
    x = paddle.arange(6, dtype="float32")
    part = VIEWS[name](x)
    part.fill_(9)
    assert (x.numpy() == 9).sum() == part.size
    assert x.inplace_version == part.inplace_version == 1


@pytest.mark.parametrize("name", COPIES)
def test_copies_do_not(name):
    x = paddle.arange(6, dtype="float32")
    COPIES[name](x).fill_(9)
    assert x.tolist() == [0, 1, 2, 3, 4, 5] and x.inplace_version == 0


def test_augmented_assignment_makes_a_new_tensor():
    a = paddle.ones([2])
    b = a
    b += 1
    assert a.tolist() == [1, 1] and b.tolist() == [2, 2]


def test_in_place_methods_return_the_tensor_and_write():
    x = paddle.to_tensor([1.0, 4.0])
    alias = x.detach()
    assert x.sqrt_() is x and x.add_(paddle.ones([2])) is x
    assert alias.tolist() == [2, 3]
    assert x.scale_(2.0).tolist() == [4, 6] and x.zero_().tolist() == [0, 0]
    x.set_value(np.float32([5, 6]))
    assert alias.tolist() == [5, 6]
    with pytest.raises(ValueError, match="Shape not match"):
        x.set_value(np.float32([1]))
    assert x.reshape_([2, 1]).shape == [2, 1]


indices = hnp.basic_indices((3, 4, 5), allow_newaxis=True, allow_ellipsis=True)


@settings(deadline=None, max_examples=80)
@given(indices)
def test_basic_indexing_is_numpys(index):
    array = np.arange(60, dtype="float32").reshape(3, 4, 5)
    np.testing.assert_array_equal(paddle.to_tensor(array)[index].numpy(), array[index])


@settings(deadline=None, max_examples=60)
@given(hnp.basic_indices((3, 4, 5), allow_ellipsis=True), st.booleans())
def test_basic_assignment_is_numpys(index, tracked):
    array = np.arange(60, dtype="float32").reshape(3, 4, 5)
    x = paddle.to_tensor(array) * 1
    value = paddle.to_tensor(-1.0, stop_gradient=not tracked)
    x[index] = value
    array[index] = -1
    np.testing.assert_array_equal(x.numpy(), array)
    assert x.stop_gradient is not tracked


@pytest.mark.parametrize(
    "index",
    [
        [0, 2], ([0, 2], [1, 1]), (slice(None), [3, 0, 0]), (..., [1, 1]), ([[0, 1], [2, 0]],),
        (slice(None), [0, 1], [1, 2]), ([0, 1], slice(None), [1, 2]), [-1, 0], (slice(1), [[0],
        [1]]),
        np.array([True, False, True]), (slice(None), np.array([True, False, False, True])),
        np.arange(60).reshape(3, 4, 5) % 2 == 0, (None, [0, 1]), np.arange(12).reshape(3, 4) > 5,
    ],
)  # fmt: skip
def test_advanced_indexing_is_numpys(index):
    array = np.arange(60, dtype="float32").reshape(3, 4, 5)
    x = paddle.to_tensor(array)
    expected = array[index]
    np.testing.assert_array_equal(x[index].numpy(), expected)
    x[index] = paddle.to_tensor(expected) * -1
    array[index] = expected * -1
    np.testing.assert_array_equal(x.numpy(), array)


def test_index_tensors_and_errors():
    x = paddle.arange(12).reshape([3, 4])
    assert x[paddle.to_tensor(1)].tolist() == [4, 5, 6, 7]
    assert x[paddle.to_tensor([2, 0]), 1].tolist() == [9, 1]
    assert x[x > 8].tolist() == [9, 10, 11]
    assert [row.tolist() for row in x][1] == [4, 5, 6, 7]
    for index, error in ((5, IndexError), ((0, 0, 0), IndexError), (1.0, ValueError)):
        with pytest.raises(error):
            x[index]


def test_python_protocols():
    x = paddle.to_tensor([[1.5]])
    assert float(x) == 1.5 and int(x) == 1 and bool(x) and len(x) == 1 and f"{x:.2f}" == "1.50"
    assert [0, 10, 20][paddle.to_tensor(2)] == 20
    assert np.asarray(x).dtype == np.float32 and np.add(x, 1)[0, 0] == 2.5
    two = paddle.ones([2])
    for convert in (bool, float, int):
        with pytest.raises((ValueError, AssertionError)):
            convert(two)
    with pytest.raises(TypeError, match="0-D"):
        len(paddle.ones([]))
    assert (two == None) is False  # noqa: E711
    assert two.name.startswith("eager_tmp_")
    assert paddle.to_tensor(1).name.startswith("generated_tensor_")


def test_copies_of_tensors():
    x = paddle.to_tensor([1.0], stop_gradient=False)
    twin = copy.deepcopy(x)
    twin.set_value(np.float32([2]))
    assert x.tolist() == [1] and not twin.stop_gradient
    assert pickle.loads(pickle.dumps(x)).tolist() == [1]
    with pytest.raises(RuntimeError, match="leaf"):
        copy.deepcopy(x * 2)


# The texts of real Paddle 2.6.2, with the specification's place.
PRINTED = {
    "zeros": (lambda: paddle.zeros([1, 2]), """\
Tensor(shape=[1, 2], dtype=float32, place=CPUPlace, stop_gradient=True,
       [[0., 0.]])"""),
    "signed": (lambda: paddle.to_tensor([[1.5, -2.25], [100.0, 0.1]]), """\
Tensor(shape=[2, 2], dtype=float32, place=CPUPlace, stop_gradient=True,
       [[ 1.50000000, -2.25000000],
        [ 100.      ,  0.10000000]])"""),
    "scalar": (lambda: paddle.to_tensor(3), """\
Tensor(shape=[], dtype=int64, place=CPUPlace, stop_gradient=True,
       3)"""),
    "cube": (lambda: paddle.arange(8).reshape([2, 2, 2]), """\
Tensor(shape=[2, 2, 2], dtype=int64, place=CPUPlace, stop_gradient=True,
       [[[0, 1],
         [2, 3]],

        [[4, 5],
         [6, 7]]])"""),
    "empty": (lambda: paddle.zeros([0, 2]), """\
Tensor(shape=[0, 2], dtype=float32, place=CPUPlace, stop_gradient=True,
       [])"""),
    "bools": (lambda: paddle.to_tensor([True, False]), """\
Tensor(shape=[2], dtype=bool, place=CPUPlace, stop_gradient=True,
       [True , False])"""),
    "long": (lambda: paddle.arange(2000).reshape([2, 1000]), """\
Tensor(shape=[2, 1000], dtype=int64, place=CPUPlace, stop_gradient=True,
       [[0   , 1   , 2   , ..., 997 , 998 , 999 ],
        [1000, 1001, 1002, ..., 1997, 1998, 1999]])"""),
    "special": (lambda: paddle.to_tensor([float("nan"), float("inf"), 1.0]), """\
Tensor(shape=[3], dtype=float32, place=CPUPlace, stop_gradient=True,
       [nan , inf., 1.  ])"""),
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_printing(name):
    make, text = PRINTED[name]
    assert str(make()) == text


def test_default_dtype_and_no_warnings():
    paddle.set_default_dtype("float64")
    assert (
        paddle.ones([1]).dtype is paddle.float64 and paddle.to_tensor(1.0).dtype is paddle.float64
    )
    assert paddle.nn.Linear(1, 1).weight.dtype is paddle.float64
    with pytest.raises(TypeError, match="set_default_dtype"):
        paddle.set_default_dtype("int32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paddle.to_tensor([0.0]).log()


def test_exponential_numbers_have_their_mean() -> None:
    x = paddle.zeros([20000])
    assert x.exponential_(4.0) is x and (x >= 0).all()
    np.testing.assert_allclose([x.mean().item(), x.std().item()], [0.25, 0.25], rtol=0.05)


def test_the_gradient_passes_by_a_filled_diagonal() -> None:
    x, y = paddle.ones([2, 3]), paddle.ones([2])
    x.stop_gradient = y.stop_gradient = False
    (x.fill_diagonal_tensor(y, 1) * 3.0).sum().backward()
    assert x.grad.tolist() == [[3.0, 0.0, 3.0], [3.0, 3.0, 0.0]] and y.grad.tolist() == [3.0, 3.0]


def test_dlpack_carries_data_and_no_memory() -> None:
    x = paddle.to_tensor([[1.0, 2.0]])
    capsule = paddle.utils.dlpack.to_dlpack(x)
    y = paddle.utils.dlpack.from_dlpack(capsule)
    y[0, 0] = 5.0
    assert x.tolist() == [[1.0, 2.0]] and y.tolist() == [[5.0, 2.0]]
    with pytest.raises(ValueError, match="nobody has taken yet"):
        paddle.utils.dlpack.from_dlpack(capsule)
    with pytest.raises(TypeError, match="got int"):
        paddle.utils.dlpack.from_dlpack(3)
    assert paddle.utils.dlpack.from_dlpack(np.arange(3)).dtype is paddle.int64
