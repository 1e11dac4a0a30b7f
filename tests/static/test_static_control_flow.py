"""cond, while_loop, case and switch_case: values, gradients, nesting, errors; dynamic mode too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static
nn = paddle.static.nn


def run(fetches: Any, **feed: Any) -> list[Any]:
    arrays = {name: np.array(value, np.float32) for name, value in feed.items()}
    return [value.tolist() for value in Executor().run(feed=arrays, fetch_list=fetches)]


@pytest.mark.parametrize(("x", "want"), [(3.0, [6.0, 3.0, 4.0]), (-3.0, [-3.0, 9.0, -3.0])])
def test_cond_of_a_structure(x: float, want: list[float]) -> None:
    value = static.data("x", [1])
    out = nn.cond(
        value > 0,
        lambda: {"a": value * 2, "b": [value, value + 1]},
        lambda: {"a": value, "b": [value * value, value]},
    )
    assert run([out["a"], *out["b"]], x=[x]) == [[one] for one in want]


def test_cond_of_two_sizes_has_that_of_the_branch_that_runs() -> None:
    # Shapes, kinds of sequences and values as in Paddle 2.6.2.
    x = static.data("x", [None, 2])
    x.stop_gradient = False
    small, (rows, wide) = nn.cond(
        paddle.mean(x) > 0,
        lambda: [paddle.ones([2, 3]), [x, x]],
        lambda: (paddle.zeros([4, 3]), (paddle.concat([x, x]), paddle.concat([x, x], axis=1))),
    )
    assert (small.shape, rows.shape, wide.shape) == ((-1, 3), (-1, 2), (-1, -1))
    total = paddle.sum(wide * 2) + paddle.sum(rows)
    (slope,) = static.gradients([total], [x])
    fetches = [paddle.shape(small), paddle.shape(rows), paddle.shape(wide), total, slope]
    assert run(fetches, x=[[1, 2]]) == [[2, 3], [1, 2], [1, 2], 9.0, [[3.0, 3.0]]]
    assert run(fetches, x=[[-1, -2]]) == [[4, 3], [2, 2], [1, 4], -18.0, [[6.0, 6.0]]]


def test_cond_takes_lists_and_tuples_for_one_another_and_gives_those_of_the_last() -> None:
    x = static.data("x", [1])
    found = nn.cond(x > 0, lambda: (x, [x, x]), lambda: [x * 2, (x, x)])
    assert type(found) is list
    assert type(found[1]) is tuple


def test_cond_with_one_branch_writes_in_place() -> None:
    x, total = static.data("x", [1]), paddle.zeros([1])

    def add() -> None:
        paddle.assign(total + x, total)

    assert nn.cond(paddle.sum(x) > 0, add) is None
    assert run([total], x=[2.0]) == [[2.0]]
    assert run([total], x=[-2.0]) == [[0.0]]


def test_cond_writes_persistables() -> None:
    x = static.data("x", [1])
    count = static.create_global_var([1], 0.0, "float32", name="count")

    def add() -> None:
        paddle.increment(count)

    nn.cond(x > 0, add)
    exe = Executor()
    exe.run(static.default_startup_program())
    for value in (1.0, -1.0, 5.0):
        exe.run(feed={"x": np.array([value], np.float32)})
    assert exe.run(feed={"x": -np.ones(1, np.float32)}, fetch_list=["count"])[0].tolist() == [2.0]


def test_layers_with_parameters_in_both_branches() -> None:
    x = static.data("x", [None, 3])
    out = nn.cond(paddle.mean(x) > 0, lambda: nn.fc(x, 2), lambda: nn.fc(x, 2) * 2.0)
    pairs = static.append_backward(paddle.sum(out))
    assert [p.name for p, _ in pairs] == ["fc_0.w_0", "fc_0.b_0", "fc_1.w_0", "fc_1.b_0"]
    exe = Executor()
    exe.run(static.default_startup_program())
    feed = {"x": np.ones((2, 3), np.float32)}
    grads = exe.run(feed=feed, fetch_list=[grad for _, grad in pairs])
    assert [grad.ravel()[0] for grad in grads] == [2.0, 2.0, 0.0, 0.0]
    feed = {"x": -feed["x"]}
    grads = exe.run(feed=feed, fetch_list=[grad for _, grad in pairs])
    assert [grad.ravel()[0] for grad in grads] == [0.0, 0.0, -4.0, 4.0]


@pytest.mark.parametrize(("index", "want"), [(-1, 3.0), (0, 3.0), (1, 1.0), (2, 2.0), (9, 3.0)])
def test_switch_case_forms(index: int, want: float) -> None:
    x = static.data("i", [1], "int64")

    def full(value: float) -> Any:
        return lambda: paddle.full([1], value)

    given = nn.switch_case(x, {1: full(1), 2: full(2)}, default=full(3))
    pairs = nn.switch_case(x, [(2, full(2)), (1, full(1)), (5, full(3))])
    listed = nn.switch_case(x, [full(3), full(1), full(2), full(3)])
    feed = {"i": np.array([index])}
    found = Executor().run(feed=feed, fetch_list=[given, pairs, listed])
    assert [one.tolist() for one in found] == [[want]] * 3


def test_while_loop_of_nested_variables() -> None:
    n = static.data("n", [1], "int64")
    i = paddle.zeros([1], "int64")
    state = {"sum": paddle.zeros([2]), "pair": [paddle.ones([1]), paddle.zeros([])]}

    def body(i: Any, state: Any) -> Any:
        first, second = state["pair"]
        paddle.increment(i)
        return [i, {"sum": state["sum"] + first, "pair": [first * 2, second + 1]}]

    i, state = nn.while_loop(lambda i, state: i < n, body, [i, state])
    fetches = [i, state["sum"], *state["pair"]]
    for count, want in ((0, [[0], [0, 0], [1], 0]), (4, [[4], [15, 15], [16], 4])):
        found = Executor().run(feed={"n": np.array([count])}, fetch_list=fetches)
        assert [one.tolist() for one in found] == want


def test_loops_and_branches_nest() -> None:
    i, total = paddle.zeros([], "int64"), paddle.zeros([])

    def outer(i: Any, total: Any) -> Any:
        _, total = nn.while_loop(
            lambda j, total: j < i, lambda j, total: [j + 1, total + 1.0],
            [paddle.zeros([], "int64"), total],
        )  # fmt: skip
        total = nn.cond(i > 1, lambda: total * 2, lambda: total)
        return [i + 1, total]

    i, total = nn.while_loop(lambda i, total: i < 4, outer, [i, total])
    want = 0.0
    for k in range(4):
        want = (want + k) * (2 if k > 1 else 1)
    assert run([i, total]) == [4, want]


def test_gradients_go_through_loops_to_inputs_and_parameters() -> None:
    x = static.data("x", [2])
    x.stop_gradient = False
    w = static.create_parameter(
        [1], "float32", name="w", default_initializer=paddle.nn.initializer.Constant(3.0)
    )
    i = paddle.zeros([1], "int64")
    i, y = nn.while_loop(lambda i, y: i < 3, lambda i, y: [i + 1, y * x * w], [i, x])
    grads = static.gradients([paddle.sum(y)], [x, w])
    exe = Executor()
    exe.run(static.default_startup_program())
    value = np.array([1.0, 2.0], np.float32)
    found = exe.run(feed={"x": value}, fetch_list=grads)
    np.testing.assert_allclose(found[0], 4 * value**3 * 27)
    np.testing.assert_allclose(found[1], [3 * 9 * (value**4).sum()])


def test_control_flow_is_native() -> None:
    """A branch and a loop are ops with blocks: not unrolled, not run by Python."""
    calls = []
    i = paddle.zeros([1], "int64")

    def body(i: Any) -> Any:
        calls.append(1)
        return [i + 1]

    (i,) = nn.while_loop(lambda i: i < 1000, body, [i])
    built = len(calls)
    assert run([i]) == [[1000]]
    assert len(calls) == built <= 3
    main = static.default_main_program()
    loop = main.global_block().ops[-1]
    assert loop.type == "while"
    assert loop.attr("block").parent_idx == 0
    assert main.num_blocks == 2


def test_dynamic_mode_runs_python() -> None:
    paddle.disable_static()
    x = paddle.to_tensor([2.0], stop_gradient=False)
    out = nn.cond(x > 1, lambda: x * 3, lambda: x)
    _, out = nn.while_loop(
        lambda i, y: i < 2, lambda i, y: (i + 1, y * x), [paddle.zeros([1]), out]
    )
    out = nn.case([(out > 100, lambda: out), (out > 20, lambda: out * 2)], lambda: x)
    out = nn.switch_case(paddle.to_tensor(1), [lambda: x, lambda: out + 1])
    assert out.item() == 49.0
    out.backward()
    assert x.grad.item() == 2 * 9 * 4.0
    assert nn.cond(True, lambda: 1, lambda: 2) == 1
    assert nn.switch_case(3, {1: lambda: "one"}, lambda: "other") == "other"


def test_branches_must_agree() -> None:
    x = static.data("x", [1])
    with pytest.raises(
        ValueError,
        match=r"(?s)Incompatible return values of true_fn and false_fn "
        r"in cond: a list of 2 in true_fn and a tensor.*test_static_control",
    ):
        nn.cond(x > 0, lambda: (x, x), lambda: x)
    with pytest.raises(ValueError, match=r"and None in false_fn"):
        nn.cond(x > 0, lambda: x, None)
    with pytest.raises(
        ValueError, match=r"shape \[2\] in true_fn and .* shape \[3, 1\] in false_fn"
    ):
        nn.cond(x > 0, lambda: paddle.ones([2]), lambda: paddle.ones([3, 1]))
    shapes = r"(?s)`loop_vars` is .*before a round and .* after it; give it .*test_static_control"
    with pytest.raises(RuntimeError, match=shapes):
        nn.while_loop(lambda y: paddle.sum(y) < 9, lambda y: [paddle.concat([y, y])], [x])


def test_wrong_arguments() -> None:
    x = static.data("x", [1])
    with pytest.raises(TypeError, match="'pred' in cond must be Variable, but received int"):
        nn.cond(3, lambda: x, lambda: x)
    with pytest.raises(TypeError, match="The true_fn in cond must be callable"):
        nn.cond(x > 0, x, lambda: x)
    with pytest.raises(TypeError, match="cond in while_loop should be callable"):
        nn.while_loop(True, lambda x: [x], [x])
    with pytest.raises(TypeError, match="body in while_loop should be callable"):
        nn.while_loop(lambda x: x < 3, None, [x])
    with pytest.raises(TypeError, match="'loop_vars' in while_loop must be list or tuple"):
        nn.while_loop(lambda x: x < 3, lambda x: [x], x)
    with pytest.raises(ValueError, match="loop_vars in while_loop should not be empty"):
        nn.while_loop(lambda: x < 3, list, [])
    for answer in (True, None):
        with pytest.raises(TypeError, match="what cond returns in while_loop must be Variable"):
            nn.while_loop(lambda x, answer=answer: answer, lambda x: [x], [x])
    with pytest.raises(ValueError, match=r"same arity .* 1 values, but received 2"):
        nn.while_loop(lambda x: x < 3, lambda x: [x, x], [x])
    with pytest.raises(TypeError, match="'pred_fn_pairs' in case must be list or tuple"):
        nn.case({})
    with pytest.raises(TypeError, match="must be a pair with a function"):
        nn.case([(x > 0, 3)])
    with pytest.raises(
        TypeError, match=r"'branch_index' in switch_case must be an integer, but received pad"
    ):
        nn.switch_case(x, [lambda: x])
    index = static.data("i", [1], "int64")
    with pytest.raises(TypeError, match="'branch_fns' in switch_case must be dict, list or tuple"):
        nn.switch_case(index, [])
    with pytest.raises(ValueError, match=r"should be unique, but received \[1, 1\]"):
        nn.switch_case(index, [(1, lambda: x), (1, lambda: x)])


def test_python_control_flow_is_refused_with_a_way_out() -> None:
    x = static.data("x", [1])
    with pytest.raises(
        RuntimeError, match=r"(?s)Python bool.*static\.nn\.cond.*test_static_control"
    ):
        bool(x > 0)
    with pytest.raises(RuntimeError, match=r"exe\.run\(feed=\.\.\., fetch_list=\[variable\]\)"):
        x.numpy()


def test_print_tells_the_value(capfd: pytest.CaptureFixture[str]) -> None:
    x = static.data("x", [2])
    out = static.Print(x, message="the value") * 2.0
    assert run([out], x=[1.0, 2.0]) == [[2.0, 4.0]]
    assert "the value" in (text := capfd.readouterr().out)
    assert "[1. 2.]" in text


def test_py_func_is_refused() -> None:
    x = static.data("x", [2])
    with pytest.raises(NotImplementedError, match="feed the result to a second Program"):
        static.py_func(np.sort, x, x)
