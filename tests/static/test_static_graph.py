"""Building and running Programs in static mode (checklist rows 60 to 69)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static


def fc_and_add() -> tuple[Any, Any, Any]:
    """The specification's Program."""
    x = static.data(shape=[None, 10], dtype="float32", name="x")
    y = static.data(shape=[None, 3], dtype="float32", name="y")
    return x, y, paddle.add(static.nn.fc(x, 3), y)


def feed_of(rows: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(rows)
    return {
        "x": rng.standard_normal((rows, 10)).astype("float32"),
        "y": rng.standard_normal((rows, 3)).astype("float32"),
    }


def started() -> Executor:
    exe = Executor(paddle.CPUPlace())
    assert exe.run(static.default_startup_program()) == []
    return exe


def test_mode_is_switched() -> None:
    assert not paddle.in_dynamic_mode()
    paddle.disable_static()
    assert paddle.in_dynamic_mode()
    assert paddle.ones([1]).numpy().tolist() == [1.0]
    paddle.enable_static()
    assert not paddle.in_dynamic_mode()


def test_variables_are_symbols_without_data() -> None:
    zeros = paddle.zeros(shape=[1, 2], dtype="float32")
    line = "var fill_constant_1.tmp_0 : LOD_TENSOR.shape(1, 2).dtype(float32).stop_gradient(True)"
    assert str(zeros) == line
    assert isinstance(zeros, static.Variable)


def test_names_are_paddles() -> None:
    x, y, out = fc_and_add()
    relu = paddle.nn.functional.relu
    made = [out, x + 1.0, relu(x), paddle.add(y, y), paddle.mean(x), static.nn.fc(x, 3)]
    names = [one.name for one in made]
    assert names == ["elementwise_add_0", "tmp_0", "relu_0.tmp_0", "elementwise_add_1",
                     "mean_0.tmp_0", "fc_1.tmp_1"]  # fmt: skip


def test_program_print() -> None:
    fc_and_add()
    lines = [line.strip() for line in str(static.default_main_program()).splitlines()]
    assert lines[0] == "{ // block 0"
    start = "persist trainable param fc_0.w_0 : LOD_TENSOR.shape(10, 3).dtype(float32)"
    assert lines[3] == f"{start}.stop_gradient(False)"
    assert lines[-3].startswith(
        "{Out=['fc_0.tmp_1']} = elementwise_add(inputs={X=['fc_0.tmp_0'], Y=['fc_0.b_0']}, axis = 1"
    )
    startup = str(static.default_startup_program())
    assert "{Out=['fc_0.w_0']} = uniform_random(" in startup
    assert "{Out=['fc_0.b_0']} = fill_constant(" in startup


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_run_computes_what_numpy_does(rows: int) -> None:
    _, _, out = fc_and_add()
    exe = started()
    feed = feed_of(rows)
    weight, bias, found = exe.run(feed=feed, fetch_list=["fc_0.w_0", "fc_0.b_0", out])
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, feed["x"] @ weight + bias + feed["y"], rtol=1e-5, atol=1e-6)
    assert not bias.any()
    assert weight.any()


def test_one_compilation_serves_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from wherry.static import run

    compiled = []
    plain = run.native_code

    def counted(*args: Any, **kwargs: Any) -> Any:
        compiled.append(1)
        return plain(*args, **kwargs)

    monkeypatch.setattr(run, "native_code", counted)
    _, _, out = fc_and_add()
    exe = started()
    for rows in (2, 3, 4, 2):
        exe.run(feed=feed_of(rows), fetch_list=[out])
    assert len(compiled) == 2
    more = out * 2.0
    doubled, single = exe.run(feed=feed_of(), fetch_list=[more, out])
    np.testing.assert_array_equal(doubled, single * 2)
    assert len(compiled) == 3


def test_without_the_compiler_the_interpreter_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from wherry.jit import native
    from wherry.schema.errors import CompilerMissingError

    def missing(program: Any, inference: bool) -> Any:
        raise CompilerMissingError("no compiler")

    x = static.data("interpreted", [None, 4])
    out = static.nn.fc(x, 2)
    monkeypatch.setattr(native, "_compile", missing)
    exe = started()
    value = np.ones((3, 4), np.float32)
    found, weight = exe.run(feed={"interpreted": value}, fetch_list=[out, "fc_0.w_0"])
    np.testing.assert_allclose(found, value @ weight, rtol=1e-6)


def test_fetches() -> None:
    x, _, out = fc_and_add()
    exe = started()
    feed = feed_of()
    by_name, again, itself = exe.run(feed=feed, fetch_list=[out.name, out, x])
    np.testing.assert_array_equal(by_name, again)
    np.testing.assert_array_equal(itself, feed["x"])
    assert exe.run(feed=feed) == []
    (tensor,) = exe.run(feed=feed, fetch_list=[out], return_numpy=False)
    np.testing.assert_array_equal(np.array(tensor), again)
    with pytest.raises(RuntimeError, match=r"\(NotFound\) nope not in VariableScope"):
        exe.run(feed=feed, fetch_list=["nope"])


def test_startup_must_run_first() -> None:
    _, _, out = fc_and_add()
    message = r"fc_0.w_0 has not been initialized(.|\n)*startup(.|\n)*test_static_graph.py"
    with pytest.raises(RuntimeError, match=message):
        Executor().run(feed=feed_of(), fetch_list=[out])
    with pytest.raises(ValueError, match=r"Can not find Variable 'fc_0.w_0' in the scope"):
        static.default_main_program().state_dict()


def test_feed_errors() -> None:
    _, _, out = fc_and_add()
    exe = started()
    good = feed_of()

    def run(**changes: Any) -> Any:
        feed = {name: value for name, value in {**good, **changes}.items() if value is not None}
        return exe.run(feed=feed, fetch_list=[out])

    needed = r"'x' should have dimensions = 2, shape = \(-1, 10\), but received fed shape \[2, 9\]"
    with pytest.raises(ValueError, match=needed):
        run(x=good["x"][:, :9])
    with pytest.raises(ValueError, match="'x' must be 'float32', but received 'float64'"):
        run(x=good["x"].astype("float64"))
    with pytest.raises(ValueError, match="'y' of elementwise_add is not initialized"):
        run(y=None)
    with pytest.warns(UserWarning, match="The variable z is not found in program"):
        run(z=good["y"])
    (plain,) = run()
    (listed,) = run(x=good["x"].tolist(), y=good["y"].tolist())
    np.testing.assert_array_equal(plain, listed)
    with pytest.raises(TypeError, match="feed requires dict"):
        exe.run(feed=[1], fetch_list=[out])  # type: ignore[arg-type]


def test_data_of_another_shape_is_refused() -> None:
    static.data("x", [None, 10])
    assert static.data("x", [None, 10]).name == "x"
    with pytest.raises(ValueError, match=r"previous shape is \(-1, 10\), the new shape is \(-1, 3"):
        static.data("x", [None, 3])


def test_shapes_are_checked_while_building() -> None:
    x = static.data("x", [None, 3])
    y = static.data("y", [4, 5])
    with pytest.raises(ValueError, match=r"(?s)elementwise_add.*test_static_graph\.py"):
        paddle.add(x, y)
    with pytest.raises(ValueError, match=r"fc needs an input whose axes from 1 on are known"):
        static.nn.fc(static.data("z", [None, None]), 3)


def test_program_guard_and_shared_parameters() -> None:
    main, test = static.Program(), static.Program()
    attr = paddle.ParamAttr(name="shared")
    outs = []
    for program in (main, test):
        with static.program_guard(program):
            x = static.data("x", [None, 4])
            outs.append(static.nn.fc(x, 2, weight_attr=attr, bias_attr=False))
    exe = started()
    value = np.ones((1, 4), np.float32)
    first, second = (
        exe.run(program, feed={"x": value}, fetch_list=[out])[0]
        for program, out in zip((main, test), outs, strict=True)
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(TypeError, match=r"needs a paddle.static.Program, but received int"):
        static.program_guard(3).__enter__()  # type: ignore[arg-type]


def test_layers_of_dynamic_mode_are_read_where_they_are() -> None:
    paddle.disable_static()
    net = paddle.nn.Sequential(paddle.nn.Linear(4, 3), paddle.nn.ReLU(), paddle.nn.BatchNorm1D(3))
    paddle.enable_static()
    out = net(static.data("x", [None, 4]))
    value = np.random.default_rng(0).standard_normal((6, 4)).astype("float32")
    exe = started()
    (found,) = exe.run(feed={"x": value}, fetch_list=[out])
    moved = net[2]._mean.numpy()
    assert moved.any()
    paddle.disable_static()
    np.testing.assert_allclose(found, net(paddle.to_tensor(value)).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net[2]._mean.numpy(), moved * 1.9, rtol=1e-4)


def test_clone_for_test_drops_nothing_out() -> None:
    x = static.data("x", [None, 50])
    out = paddle.nn.functional.dropout(x, 0.5)
    main = static.default_main_program()
    test = main.clone(for_test=True)
    assert [op.attrs["is_test"] for op in main.global_block().ops if op.type == "dropout"] == [
        False
    ]
    feed = {"x": np.ones((4, 50), np.float32)}
    exe = started()
    (dropped,) = exe.run(main, feed=feed, fetch_list=[out])
    (again,) = exe.run(main, feed=feed, fetch_list=[out])
    (kept,) = exe.run(test, feed=feed, fetch_list=[out])
    assert (dropped == 0).any()
    assert (dropped != again).any()
    np.testing.assert_array_equal(kept, feed["x"])
    (like_main,) = exe.run(main.clone(), feed=feed, fetch_list=[out.name])
    assert (like_main == 0).any()


def test_startup_follows_the_seed() -> None:
    _, _, out = fc_and_add()
    paddle.seed(7)
    first = started().run(feed=feed_of(), fetch_list=[out])[0]
    paddle.seed(7)
    second = started().run(feed=feed_of(), fetch_list=[out])[0]
    third = started().run(feed=feed_of(), fetch_list=[out])[0]
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


@pytest.mark.parametrize("name", ["XavierNormal", "TruncatedNormal", "Orthogonal", "Constant"])
def test_initializers_in_the_startup_program(name: str) -> None:
    initializer = getattr(paddle.nn.initializer, name)()
    if name == "Constant":
        initializer.number = 3.0
    x = static.data("x", [None, 4])
    static.nn.fc(x, 3, weight_attr=paddle.ParamAttr(initializer=initializer))
    started()
    weight = np.array(static.global_scope().find_var("fc_0.w_0").get_tensor())
    assert weight.shape == (4, 3)
    assert weight.any()


def test_inputs_written_in_place_and_several_inputs_of_fc() -> None:
    x, y = static.data("x", [None, 4]), static.data("y", [None, 2])
    out = static.nn.fc([x, y], 3, activation="softmax")
    zeros = paddle.zeros([2, 3])
    zeros[0] = 1.0
    exe = started()
    feed = {"x": np.ones((2, 4), np.float32), "y": np.ones((2, 2), np.float32)}
    shares, written = exe.run(feed=feed, fetch_list=[out, zeros])
    np.testing.assert_allclose(shares.sum(1), [1.0, 1.0], rtol=1e-6)
    assert written.tolist() == [[1.0] * 3, [0.0] * 3]
    assert sorted(static.default_main_program().state_dict()) == [
        "fc_0.b_0", "fc_0.w_0", "fc_0.w_1"
    ]  # fmt: skip


def test_errors_in_the_data_name_the_line() -> None:
    index = static.data("index", [None], "int64")
    rows = paddle.nn.Embedding(5, 3)(index)
    with pytest.raises(RuntimeError, match=r"(?s)index 17 is out of range.*test_static_graph\.py"):
        started().run(feed={"index": [0, 17]}, fetch_list=[rows])


def test_static_functions_need_dynamic_mode() -> None:
    @paddle.jit.to_static
    def double(x: Any) -> Any:
        return x * 2

    with pytest.raises(RuntimeError, match=r"NOT in dynamic mode(.|\n)*paddle.disable_static"):
        double(static.data("x", [2]))


def test_errors_of_other_arguments() -> None:
    with pytest.raises(ValueError, match=r"Executor runs on paddle.CPUPlace"):
        Executor(3)
    with pytest.raises(TypeError, match=r"needs a paddle.static.Program, but received int"):
        Executor().run(3)  # type: ignore[arg-type]
    paddle.disable_static()
    with pytest.raises(RuntimeError, match=r"call paddle.enable_static\(\) first"):
        static.data("x", [2])
