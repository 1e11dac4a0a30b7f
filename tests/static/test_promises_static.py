"""What static mode promises, one test for each promise; with it test_static_scripts.py, which
compares whole scripts with what Paddle printed.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static
X, Y = (np.linspace(-1, 1, 2 * n, dtype=np.float32).reshape(2, n) for n in (10, 3))
FEED = {"x": X, "y": Y}


def specified() -> Any:
    """The specification's Program: add(fc(x, 3), y)."""
    x = static.data(shape=[None, 10], dtype="float32", name="x")
    y = static.data(shape=[None, 3], dtype="float32", name="y")
    return paddle.add(static.nn.fc(x, 3), y)


def started() -> Executor:
    exe = Executor(paddle.CPUPlace())
    exe.run(static.default_startup_program())
    return exe


def ops_of(program: Any, *roles: int) -> list[str]:
    return [op.type for op in program.global_block().ops if op.attr("op_role") in roles]


def test_in_a_fresh_process_zeros_print_as_the_symbol_of_the_specification() -> None:
    code = "import wherry as p; p.enable_static(); print(p.zeros([1, 2]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    line = "var fill_constant_1.tmp_0 : LOD_TENSOR.shape(1, 2).dtype(float32).stop_gradient(True)"
    assert done.stdout.strip() == line


def test_a_program_prints_its_variables_and_then_its_ops() -> None:
    specified()
    lines = [line.strip() for line in str(static.default_main_program()).splitlines()]
    assert lines[0] == "{ // block 0"
    kinds = [
        "var x", "var y", "persist trainable param fc_0.w_0", "var fc_0.tmp_0",
        "persist trainable param fc_0.b_0", "var fc_0.tmp_1", "var elementwise_add_0",
    ]  # fmt: skip
    assert sorted(line.partition(" :")[0] for line in lines[1:8]) == sorted(kinds)
    product, *_ = (line for line in lines if " = mul(" in line)
    assert product.startswith(
        "{Out=['fc_0.tmp_0']} = mul(inputs={X=['x'], Y=['fc_0.w_0']}, op_device = , "
        "op_namescope = /, op_role = 0, op_role_var = []"
    )
    assert product.endswith("x_num_col_dims = 1, y_num_col_dims = 1)")
    assert lines[-1] == "}"


def test_variables_have_no_data_and_names_of_their_own() -> None:
    x = static.data("x", [None, 3])
    made = [static.nn.fc(x, 3) for _ in range(2)] + [paddle.add(x, x) for _ in range(2)]
    made += [x + 1, x * x]
    names = [one.name for one in made]
    assert names == ["fc_0.tmp_1", "fc_1.tmp_1", "elementwise_add_0", "elementwise_add_1", "tmp_0",
                     "tmp_1"]  # fmt: skip
    for one in made:
        with pytest.raises(RuntimeError, match="has no value while the Program is being built"):
            one.numpy()


def test_data_of_a_name_that_is_taken_must_be_the_same() -> None:
    assert static.data("x", [None, 10]).name == static.data("x", [None, 10]).name
    text = r"'x' has been created before. The previous shape is \(-1, 10\), the new shape is \(3,\)"
    with pytest.raises(ValueError, match=text):
        static.data("x", [3])


def test_shapes_that_do_not_fit_are_errors_while_building() -> None:
    x, y = static.data("x", [None, 3]), static.data("y", [4, 5])
    for build, op, shapes in (
        (lambda: paddle.add(x, y), "elementwise_add", (r"\[-1, 3\]", r"\[4, 5\]")),
        (lambda: paddle.reshape(paddle.ones([6]), [5, 7]), "reshape", (r"\[6\]", r"\[5, 7\]")),
        (lambda: paddle.matmul(x, y), "matmul", (r"\[-1, 3\]", r"\[4, 5\]")),
    ):
        text = rf"(?s){op}.*{shapes[0]}.*{shapes[1]}.*test_promises_static\.py"
        with pytest.raises(ValueError, match=text):
            build()


def test_control_flow_holds_its_branches_and_bodies_in_blocks_of_their_own() -> None:
    x = static.data("x", [1])
    static.nn.cond(x > 0, lambda: x * 2, lambda: x - 1)
    main = static.default_main_program()
    assert ops_of(main, 0)[-1] == "cond"
    assert [(block.idx, block.parent_idx) for block in main.blocks] == [(0, -1), (1, 0), (2, 0)]
    static.nn.while_loop(lambda i: i < 9.0, lambda i: [i + 1], [x])
    assert ops_of(main, 0)[-1] == "while"
    loop = main.global_block().ops[-1]
    (body,) = (value for value in loop.all_attrs().values() if isinstance(value, static.Block))
    assert body.parent_idx == 0
    assert "{ // block 3" in str(main)


def test_a_program_and_its_state_are_saved_apart_and_give_equal_bits(tmp_path: Path) -> None:
    out = specified()
    main = static.default_main_program()
    with pytest.raises(ValueError, match=r"'fc_0.w_0' in the scope. Make sure it is initialized"):
        main.state_dict()
    (wanted,) = started().run(feed=FEED, fetch_list=[out])
    paddle.save(main, str(tmp_path / "main.pdimodel"))
    paddle.save(main.state_dict(), str(tmp_path / "main.pdparams"))
    with (tmp_path / "main.pdparams").open("rb") as file:
        assert sorted(name for name in pickle.load(file) if "@" not in name) == [
            "fc_0.b_0", "fc_0.w_0"
        ]  # fmt: skip
    program = paddle.load(str(tmp_path / "main.pdimodel"))
    state = paddle.load(str(tmp_path / "main.pdparams"))
    with static.scope_guard(static.Scope()):
        program.set_state_dict(state)
        (found,) = Executor().run(program, feed=FEED, fetch_list=[out.name])
    np.testing.assert_array_equal(found, wanted)


def test_an_empty_state_is_saved_with_a_warning(tmp_path: Path) -> None:
    empty = static.Program()
    paddle.save(empty, str(tmp_path / "empty.pdimodel"))
    with pytest.warns(UserWarning, match="The input state dict is empty, no need to save"):
        paddle.save(empty.state_dict(), str(tmp_path / "empty.pdparams"))
    assert isinstance(paddle.load(str(tmp_path / "empty.pdimodel")), static.Program)


def test_the_startup_program_runs_first() -> None:
    out = specified()
    with pytest.raises(RuntimeError, match=r"exe.run\(paddle.static.default_startup_program\(\)"):
        Executor().run(feed=FEED, fetch_list=[out])
    (found,) = started().run(feed=FEED, fetch_list=[out])
    assert found.shape == (2, 3)


def test_fetches_are_variables_or_names_and_come_as_arrays_or_tensors() -> None:
    out = specified()
    exe = started()
    (one,), (other,) = (exe.run(feed=FEED, fetch_list=[f]) for f in (out, out.name))
    assert isinstance(one, np.ndarray)
    np.testing.assert_array_equal(one, other)
    (tensor,) = exe.run(feed=FEED, fetch_list=[out], return_numpy=False)
    assert (tensor.shape(), tensor.lod()) == ([2, 3], [])
    np.testing.assert_array_equal(np.array(tensor), one)
    assert exe.run(feed=FEED) == []
    with pytest.raises(RuntimeError, match=r"\(NotFound\) nope not in VariableScope"):
        exe.run(feed=FEED, fetch_list=["nope"])


@pytest.mark.parametrize(("change", "text"), [
    ({"x": X[:, :9]}, r"'x' should have dimensions = 2, shape = \(-1, 10\), but received fed shape "
                      r"\[2, 9\]"),
    ({"x": X.astype("float64")}, "'x' must be 'float32', but received 'float64'"),
    ({"y": None}, "'y' of elementwise_add is not initialized"),
])  # fmt: skip
def test_a_feed_that_does_not_fit_is_refused_by_name(change: dict[str, Any], text: str) -> None:
    out = specified()
    feed = {name: value for name, value in {**FEED, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=text):
        started().run(feed=feed, fetch_list=[out])


def test_a_feed_may_be_lists_and_one_too_many_is_only_warned_of() -> None:
    out = specified()
    exe = started()
    (wanted,) = exe.run(feed=FEED, fetch_list=[out])
    (found,) = exe.run(feed={name: v.tolist() for name, v in FEED.items()}, fetch_list=[out])
    np.testing.assert_array_equal(found, wanted)
    with pytest.warns(UserWarning, match="The variable z is not found in program"):
        exe.run(feed={**FEED, "z": X}, fetch_list=[out])


def test_append_backward_gives_pairs_and_marks_what_belongs_to_the_gradients() -> None:
    loss = paddle.mean(specified())
    forward = len(static.default_main_program().global_block().ops)
    pairs = static.append_backward(loss)
    assert [(param.name, grad.name) for param, grad in pairs] == [
        ("fc_0.w_0", "fc_0.w_0@GRAD"), ("fc_0.b_0", "fc_0.b_0@GRAD")
    ]  # fmt: skip
    roles = [op.attr("op_role") for op in static.default_main_program().global_block().ops]
    assert roles[: forward - 1] == [0] * (forward - 1)
    assert roles[forward - 1 : forward + 1] == [256, 257]
    assert {*roles[forward + 1 :]} == {1}


def test_minimize_adds_the_steps_and_the_loss_falls() -> None:
    out = specified()
    loss = paddle.mean(out * out)
    paddle.optimizer.SGD(0.5).minimize(loss)
    assert ops_of(static.default_main_program(), 2) == ["sgd", "sgd"]
    exe = started()
    losses = [exe.run(feed=FEED, fetch_list=[loss])[0].item() for _ in range(20)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 10


def test_a_clone_for_test_drops_nothing_out() -> None:
    out = paddle.nn.functional.dropout(static.data("x", [None, 10]), 0.5)
    main = static.default_main_program()
    test = main.clone(for_test=True)
    flags = [
        [op.attr("is_test") for op in program.global_block().ops if op.type == "dropout"]
        for program in (main, test, main.clone())
    ]
    assert flags == [[False], [True], [False]]
    dropped, kept = (Executor().run(one, feed={"x": X + 2}, fetch_list=[out.name])[0]
                     for one in (main, test))  # fmt: skip
    assert (dropped == 0).any()
    np.testing.assert_array_equal(kept, X + 2)


def test_an_inference_model_is_two_files_and_comes_back_exactly(tmp_path: Path) -> None:
    out = specified()
    main, exe = static.default_main_program(), started()
    feeds = [main.global_block().var(name) for name in ("x", "y")]
    (wanted,) = exe.run(feed=FEED, fetch_list=[out * 1.0])
    static.save_inference_model(str(tmp_path / "net"), feeds, [out], exe)
    assert {path.name for path in tmp_path.iterdir()} >= {"net.pdmodel", "net.pdiparams"}
    with static.scope_guard(static.Scope()):
        program, names, fetches = static.load_inference_model(str(tmp_path / "net"), exe)
        (found,) = exe.run(program, feed=FEED, fetch_list=fetches)
    assert names == ["x", "y"]
    assert ops_of(program, 0) == ["mul", "elementwise_add", "elementwise_add"]
    np.testing.assert_array_equal(found, wanted)


def test_what_jit_save_wrote_is_an_inference_model_too(tmp_path: Path) -> None:
    paddle.disable_static()
    net = paddle.nn.Linear(10, 3)
    spec = static.InputSpec([None, 10], name="x")
    paddle.jit.save(net, str(tmp_path / "net"), [spec])
    wanted = paddle.jit.load(str(tmp_path / "net"))(paddle.to_tensor(X)).numpy()
    config = paddle.inference.Config(str(tmp_path / "net"))
    predictor = paddle.inference.create_predictor(config)
    predictor.get_input_handle("x").copy_from_cpu(X)
    predictor.run()
    names = predictor.get_input_names(), predictor.get_output_names()
    assert names[0] == ["x"]
    np.testing.assert_array_equal(predictor.get_output_handle(names[1][0]).copy_to_cpu(), wanted)
    paddle.enable_static()
    exe = Executor()
    program, feeds, fetches = static.load_inference_model(str(tmp_path / "net"), exe)
    (found,) = exe.run(program, feed={feeds[0]: X}, fetch_list=fetches)
    np.testing.assert_array_equal(found, wanted)
