"""What `input_spec` promises of calls and arguments, one test for each promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.schema.errors import InputError
from wherry.static import InputSpec


def ops_of(function: Any) -> list[str]:
    return [op.type for op in function.main_program.global_block().ops]


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)

    def forward(self, x: Any, use_act: bool = False) -> Any:
        out = self.linear(x)
        out = paddle.nn.functional.relu(out) if use_act else out
        return out * 2


X = InputSpec([None, 10], name="x")


def test_every_required_parameter_needs_a_spec_which_is_said_when_it_is_used() -> None:
    f = to_static(lambda x, y: x + y, input_spec=[InputSpec([2])])
    text = "requires `y` arguments, but not found in input `args`"
    with pytest.raises(ValueError, match=text):
        _ = f.concrete_program
    with pytest.raises(ValueError, match=text):
        f(paddle.ones([2]))


def test_more_specs_than_parameters_are_refused() -> None:
    f = to_static(lambda x, y: x + y, input_spec=[InputSpec([2])] * 3)
    with pytest.raises(ValueError, match=r"requires 2 arguments: \['x', 'y'\], but received 3"):
        _ = f.concrete_program


def test_an_input_spec_that_is_no_list_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"one of \(tuple, list\), but received InputSpec"):
        to_static(lambda x: x, input_spec=InputSpec([2]))


@pytest.mark.parametrize("constant", [4, 2.5, True])
def test_python_numbers_in_it_are_baked_in(constant: Any) -> None:
    f = to_static(lambda x, k: x * k, input_spec=[InputSpec([None], name="x"), constant])
    assert ops_of(f) == ["scale"]
    assert [var.name for var in f.inputs] == ["x"]


def test_a_nested_list_mirrors_a_list_argument() -> None:
    specs = [[InputSpec([None, 2], name="x"), InputSpec([2], name="y")]]
    f = to_static(lambda pair: pair[0] + pair[1], input_spec=specs)
    assert [var.name for var in f.inputs] == ["x", "y"]
    a, b = paddle.ones([3, 2]), paddle.ones([2])
    assert f([a, b]).shape == [3, 2]
    with pytest.raises(TypeError, match=r"should be <class 'list'>, but received <class 'tuple'>"):
        f((a, b))


def test_a_nested_dict_mirrors_a_dict_argument_and_names_what_is_missing() -> None:
    specs = [{"x": InputSpec([None, 2], name="x"), "b": InputSpec([2], name="bias")}]
    f = to_static(lambda given: given["x"] + given["b"], input_spec=specs)
    assert [var.name for var in f.inputs] == ["x", "bias"]
    assert f({"x": paddle.ones([3, 2]), "b": paddle.ones([2])}).shape == [3, 2]
    with pytest.raises(KeyError, match=r"argument 'given' needs the key 'x', got the keys \['b'\]"):
        f({"b": paddle.ones([2])})


def test_a_keyword_default_is_used_where_the_spec_says_nothing_of_it() -> None:
    plain = to_static(Net(), input_spec=[X]).forward
    assert ops_of(plain) == ["matmul_v2", "elementwise_add", "scale"]
    active = to_static(Net(), input_spec=[X, True]).forward
    assert ops_of(active) == ["matmul_v2", "elementwise_add", "relu", "scale"]


def test_values_of_python_arguments_are_programs_that_share_the_parameters() -> None:
    net = to_static(Net())
    x = paddle.rand([2, 10])
    for call in (lambda: net(x), lambda: net(x, True), lambda: net(x, use_act=True),
                 lambda: net(x, False), lambda: net(x, 1)):  # fmt: skip
        call()
    assert len(net.forward.program_cache) == 2
    before = net(x, True).numpy()
    net.linear.bias.set_value(net.linear.bias + 5.0)
    np.testing.assert_allclose(net(x).numpy(), net.forward.dynamic(x).numpy(), rtol=1e-5)
    assert not np.array_equal(net(x, True).numpy(), before)


def test_arguments_beyond_the_spec_are_passed_through() -> None:
    net = to_static(Net(), input_spec=[X])
    x = paddle.rand([2, 10])
    net(x)
    assert (net(x, use_act=True).numpy() >= 0).all()
    assert len(net.forward.program_cache) == 2


def test_specs_without_names_take_the_parameters_names() -> None:
    f = to_static(lambda x, y: x + y, input_spec=[InputSpec([2]), InputSpec([2])])
    assert [var.name for var in f.inputs] == ["x", "y"]


def test_without_a_spec_inputs_are_named_after_their_place() -> None:
    f = to_static(lambda x, pair: x + pair[0] + pair[1])
    one = paddle.ones([2])
    f(one, [one, one])
    assert [var.name for var in f.inputs] == ["_jst.0.x.0", "_jst.1.pair.0", "_jst.1.pair.1"]


def test_one_name_for_two_shapes_is_refused() -> None:
    specs = [InputSpec([None, 10], name="x"), InputSpec([3], name="x")]
    f = to_static(lambda x, y: x, input_spec=specs)
    text = r"'x' has been created before. The previous shape is \(-1, 10\), the new shape is \(3,\)"
    with pytest.raises(ValueError, match=text):
        _ = f.concrete_program


def test_a_call_that_does_not_fit_the_spec_gets_a_program_of_its_own() -> None:
    net = to_static(Net(), input_spec=[InputSpec([4, 10], name="x")])
    assert net(paddle.ones([2, 10])).shape == [2, 3]
    assert net(paddle.ones([4, 10])).shape == [4, 3]
    assert len(net.forward.program_cache) == 2


def test_a_call_of_another_dtype_names_the_spec_what_it_needs_and_what_came() -> None:
    net = to_static(Net(), input_spec=[InputSpec([None, 10], name="x")])
    text = r"'x' needs float32, as its InputSpec\(.*name=x\) says, got float64; x.astype"
    for x in (paddle.ones([4, 10], "float64"), np.ones([4, 10])):
        with pytest.raises(ValueError, match=text):
            net(x)


def test_an_unexpected_keyword_is_refused_by_name() -> None:
    net = to_static(Net())
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'z'"):
        net(paddle.ones([2, 10]), z=1)


def test_a_tensor_that_stops_gradients_costs_no_gradient_of_others() -> None:
    net = to_static(Net(), input_spec=[X])
    for stopped in (True, False, True):
        x = paddle.to_tensor(np.ones([2, 10], np.float32), stop_gradient=stopped)
        net(x).sum().backward()
        assert (x.grad is None) == stopped
        assert net.linear.weight.grad is not None
        net.clear_gradients()


def test_numpy_arrays_are_taken_where_tensors_are() -> None:
    net = to_static(Net(), input_spec=[X])
    x = np.ones([2, 10], np.float32)
    np.testing.assert_allclose(net(x).numpy(), net(paddle.to_tensor(x)).numpy())
    assert len(net.forward.program_cache) == 1


# Sizes with names.


def test_sizes_of_one_name_must_agree() -> None:
    specs = [InputSpec(["B", 3], name="x"), InputSpec(["B", 4], name="y")]
    f = to_static(lambda x, y: paddle.concat([x, y], axis=1), input_spec=specs)
    for size in (1, 4, 5):
        assert f(paddle.ones([size, 3]), paddle.ones([size, 4])).shape == [size, 7]
    with pytest.raises(InputError, match="B is 4 in x and 5 in y"):
        f(paddle.ones([4, 3]), paddle.ones([5, 4]))


def test_arithmetic_on_named_sizes_is_exact() -> None:
    @to_static(input_spec=[InputSpec(["B", "T", 64], name="x")])
    def f(x: Any) -> Any:
        b, t, c = x.shape
        return x.reshape([b * 16, -1]), b * 256, (t - 1) // 2 + 1, t % 3 - 2 * b, t * c == 64 * t

    for b, t in ((1, 4), (2, 5), (3, 8)):
        out, *numbers = f(paddle.ones([b, t, 64]))
        assert out.shape == [b * 16, t * 4]
        assert [int(n) for n in numbers] == [b * 256, (t - 1) // 2 + 1, t % 3 - 2 * b, True]


def test_a_reshape_with_one_unknown_among_names_is_solved() -> None:
    @to_static(input_spec=[InputSpec(["B", "T", 64], name="x")])
    def heads(x: Any) -> Any:
        b, t, _ = x.shape
        y = x.reshape([b, t, 8, -1]).transpose([0, 2, 1, 3]).reshape([b * 8, -1, 8])
        return y, y.reshape([b, -1, t, 8]), x.reshape([-1, t * 64])

    shapes = [[var.shape for var in heads.outputs][i] for i in range(3)]
    assert [str(dim) for dim in shapes[0]] == ["8*B", "T", "8"]
    assert [str(dim) for dim in shapes[1]] == ["B", "8", "T", "8"]
    assert [str(dim) for dim in shapes[2]] == ["B", "64*T"]
    assert [out.shape for out in heads(paddle.ones([2, 5, 64]))] == [
        [16, 5, 8], [2, 8, 5, 8], [2, 320],
    ]  # fmt: skip


def test_a_reshape_that_does_not_divide_is_refused_at_the_call() -> None:
    @to_static(input_spec=[InputSpec(["B", 3], name="x")])
    def f(x: Any) -> Any:
        return x.reshape([-1, 4])

    assert f(paddle.ones([4, 3])).shape == [3, 4]
    with pytest.raises(ValueError, match=r"size 0 of x is 5") as caught:
        f(paddle.ones([5, 3]))
    assert "return x.reshape([-1, 4])" in str(caught.value)
