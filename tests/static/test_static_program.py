"""The Program as an object: blocks, ops, Variables, clones, text, scopes, options of run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.static import Executor

static = paddle.static
ones = paddle.nn.initializer.Constant(1.0)


def two_layers() -> tuple[Any, Any]:
    x = static.data("x", [None, 4])
    hidden = static.nn.fc(x, 3, activation="relu", weight_attr=ones)
    return x, static.nn.fc(paddle.nn.functional.dropout(hidden, 0.5), 2, weight_attr=ones)


def started() -> Executor:
    exe = Executor(paddle.CPUPlace())
    exe.run(static.default_startup_program())
    return exe


FEED = {"x": np.ones((2, 4), np.float32)}


def test_blocks_ops_and_variables_by_name() -> None:
    two_layers()
    main = static.default_main_program()
    block = main.global_block()
    assert (main.num_blocks, len(main.blocks), block.idx, block.parent_idx) == (1, 1, 0, -1)
    assert main.current_block().idx == main.block(0).idx == 0
    assert [op.type for op in block.ops] == [
        "mul", "elementwise_add", "relu", "dropout", "mul", "elementwise_add",
    ]  # fmt: skip
    names = [
        "x", "fc_0.w_0", "fc_0.tmp_0", "fc_0.b_0", "fc_0.tmp_1", "fc_0.tmp_2", "dropout_0.tmp_0",
        "dropout_0.tmp_1", "fc_1.w_0", "fc_1.tmp_0", "fc_1.b_0", "fc_1.tmp_1",
    ]  # fmt: skip
    assert [var.name for var in main.list_vars()] == list(block.vars) == names
    parameters = ["fc_0.w_0", "fc_0.b_0", "fc_1.w_0", "fc_1.b_0"]
    assert [p.name for p in main.all_parameters()] == parameters
    assert [p.name for p in block.iter_parameters()] == parameters
    assert block.has_var("x")
    assert not block.has_var("nope")
    with pytest.raises(ValueError, match="var nope not in this block"):
        block.var("nope")


def test_an_operator_tells_its_slots_and_attributes() -> None:
    two_layers()
    op = static.default_main_program().global_block().ops[1]
    assert (op.input_names, op.output_names) == (["X", "Y"], ["Out"])
    assert (op.input("Y"), op.output("Out")) == (["fc_0.b_0"], ["fc_0.tmp_1"])
    assert op.input_arg_names == ["fc_0.tmp_0", "fc_0.b_0"]
    assert op.output_arg_names == ["fc_0.tmp_1"]
    assert (op.attr("axis"), op.attr("op_role"), op.has_attr("nope")) == (1, 0, False)
    assert op.all_attrs() == {"axis": 1, "op_role": 0}
    assert str(op).startswith("{Out=['fc_0.tmp_1']} = elementwise_add(inputs={X=['fc_0.tmp_0'], ")
    with pytest.raises(ValueError, match="elementwise_add has no attribute 'nope'"):
        op.attr("nope")


def test_a_variable_tells_what_it_is() -> None:
    x, out = two_layers()
    weight = static.default_main_program().global_block().var("fc_0.w_0")
    assert (x.name, x.shape, x.dtype, x.ndim) == ("x", (-1, 4), paddle.float32, 2)
    assert (x.stop_gradient, x.persistable, x.is_data, x.lod_level) == (True, False, True, 0)
    assert (weight.shape, weight.persistable, weight.trainable) == ((4, 3), True, True)
    assert isinstance(weight, static.Parameter)
    assert not isinstance(out, static.Parameter)
    assert weight.grad_name == "fc_0.w_0@GRAD"
    assert (
        str(weight)
        == weight.to_string(True)
        == (
            "persist trainable param fc_0.w_0 : LOD_TENSOR.shape(4, 3).dtype(float32)"
            ".stop_gradient(False)"
        )
    )
    assert out.block.idx == 0


def test_open_sizes_look_like_minus_one_and_compute_exactly() -> None:
    x = static.data("x", [None, 4])
    size = x.shape[0]
    assert (str(x.shape), size == -1, size < 0, size > 0, size != 4) == (
        "(-1, 4)", True, True, False, True,
    )  # fmt: skip
    outs = [paddle.reshape(x, [size * 2, 2]), paddle.zeros([size, 3]), paddle.shape(x)[0] + size]
    outs.append(paddle.full([paddle.shape(x)[0], 1], 7.0))
    found = Executor().run(feed={"x": np.ones((3, 4), np.float32)}, fetch_list=outs)
    assert [one.shape for one in found] == [(6, 2), (3, 3), (), (3, 1)]
    assert found[2] == 6


def test_a_parameter_that_is_not_trained_prints_as_one() -> None:
    static.nn.batch_norm(static.data("x", [None, 3]))
    lines = [line.strip() for line in str(static.default_main_program()).splitlines()]
    start = "LOD_TENSOR.shape(3,).dtype(float32).stop_gradient(True)"
    assert f"persist param batch_norm_0.w_1 : {start}" in lines
    assert any("MeanOut=['batch_norm_0.w_1']" in line for line in lines)


def test_random_state_is_not_shown() -> None:
    two_layers()
    for program in (static.default_main_program(), static.default_startup_program()):
        text = str(program)
        assert "rng_advance" not in text
        assert "rng_advance" not in [op.type for op in program.global_block().ops]
        assert "rng_state" not in [var.name for var in program.list_vars()]


def test_clones() -> None:
    _, out = two_layers()
    main = static.default_main_program()
    early = main.clone(for_test=True)
    paddle.optimizer.Momentum(0.1).minimize(paddle.mean(out))
    late, whole = main.clone(for_test=True), main.clone()
    exe = started()
    assert [op.type for op in late.global_block().ops][:6] == [
        op.type for op in early.global_block().ops
    ]
    assert {op.attr("op_role") for op in late.global_block().ops} <= {0, 256}
    assert not any("velocity" in var.name for var in late.list_vars())
    assert [op.type for op in whole.global_block().ops] == [
        op.type for op in main.global_block().ops
    ]
    first, second = (exe.run(p, feed=FEED, fetch_list=[out])[0] for p in (early, late))
    np.testing.assert_array_equal(first, second)
    (before,) = exe.run(early, feed=FEED, fetch_list=["fc_1.b_0"])
    exe.run(whole, feed=FEED)
    (after,) = exe.run(early, feed=FEED, fetch_list=["fc_1.b_0"])
    np.testing.assert_allclose(after - before, -0.05, rtol=1e-6)


def test_random_seed_repeats_each_run() -> None:
    _, out = two_layers()
    static.default_startup_program().random_seed = 3
    exe = started()
    first = {k: v.numpy() for k, v in static.default_main_program().state_dict().items()}
    exe.run(static.default_startup_program())
    for name, value in static.default_main_program().state_dict().items():
        np.testing.assert_array_equal(value.numpy(), first[name])
    wide = {"x": np.ones((50, 4), np.float32)}
    main = static.default_main_program()
    free = [exe.run(main, feed=wide, fetch_list=[out])[0] for _ in range(2)]
    assert (free[0] != free[1]).any()
    main.random_seed = 5
    fixed = [exe.run(main, feed=wide, fetch_list=[out])[0] for _ in range(2)]
    np.testing.assert_array_equal(*fixed)


def test_scopes() -> None:
    x = static.data("x", [None, 4])
    out = static.nn.fc(x, 2, weight_attr=ones)
    main, start, exe = static.default_main_program(), static.default_startup_program(), Executor()
    one, two = static.Scope(), static.Scope()
    exe.run(start, scope=one)
    with static.scope_guard(two):
        exe.run(start)
        two.find_var("fc_0.b_0").get_tensor().set(np.array([1, 2], "float32"), paddle.CPUPlace())
    assert static.global_scope().find_var("fc_0.b_0") is None
    first = exe.run(main, feed=FEED, fetch_list=[out], scope=one)[0]
    second = exe.run(main, feed=FEED, fetch_list=[out], scope=two)[0]
    np.testing.assert_allclose(second - first, [[1, 2]] * 2)
    assert sorted(one.local_var_names()) == ["fc_0.b_0", "fc_0.w_0"]
    kid = one.new_scope()
    tensor = kid.find_var("fc_0.w_0").get_tensor()
    assert (tensor.shape(), tensor.lod(), len(tensor)) == ([4, 2], [], 4)
    assert kid.var("new").name() == "new"
    assert one.find_var("new") is None
    assert kid.var("fc_0.w_0").get_tensor() is tensor, "a name of the scope around it"
    assert "fc_0.w_0" not in kid.local_var_names()
    kid.erase(["new"])
    assert kid.find_var("new") is None
    with pytest.raises(TypeError, match=r"scope_guard needs a paddle.static.Scope, got int"):
        static.scope_guard(3).__enter__()  # type: ignore[arg-type]


def test_a_fetched_array_is_the_users_own() -> None:
    weight = static.create_parameter([2], "float32", name="w", default_initializer=ones)
    paddle.optimizer.SGD(0.0).minimize(paddle.sum(weight))
    exe = started()
    (value,) = exe.run(fetch_list=["w"])
    value[:] = 9.0
    assert exe.run(fetch_list=["w"])[0].tolist() == [1.0, 1.0]


def test_options_of_run() -> None:
    x, out = two_layers()
    strategy = static.BuildStrategy()
    strategy.fuse_all_optimizer_ops = True
    main = static.default_main_program().clone(for_test=True)
    compiled = static.CompiledProgram(main, build_strategy=strategy)
    exe = started()
    (plain,) = exe.run(main, feed=FEED, fetch_list=out, use_program_cache=True)
    (again,) = exe.run(compiled, feed=[FEED], fetch_list=(out.name,))
    np.testing.assert_array_equal(plain, again)
    (tensor,) = exe.run(main, feed=FEED, fetch_list=[x], return_numpy=False)
    assert str(tensor) == (
        "  - shape: [2, 4]\n  - layout: NCHW\n  - place: Place(cpu)\n  - dtype: float32\n"
        "  - data: [1 1 1 1 1 1 1 1]"
    )
    assert strategy.fuse_all_optimizer_ops is True
    with pytest.raises(AttributeError, match="BuildStrategy has no option 'other' that was set"):
        strategy.other  # noqa: B018
    with pytest.raises(TypeError, match="expected Program, but received int"):
        static.CompiledProgram(3)  # type: ignore[arg-type]


def test_use_prune_runs_only_what_the_fetches_need() -> None:
    count = static.create_global_var([1], 0.0, "float32", name="count")
    x = static.data("x", [None, 4])
    paddle.assign(count + 1.0, count)
    double = x * 2.0
    exe = started()
    exe.run(feed=FEED, fetch_list=[double], use_prune=True)
    assert exe.run(feed=FEED, fetch_list=["count"])[0].tolist() == [1.0]
    label = static.data("label", [None, 4])
    paddle.assign(count * label[0, :1], count)
    with pytest.raises(ValueError, match="'label' of slice is not initialized"):
        exe.run(feed=FEED, fetch_list=[double])
    assert exe.run(feed=FEED, fetch_list=[double], use_prune=True)[0].shape == (2, 4)


def test_errors_name_the_line_that_built_and_the_line_that_ran() -> None:
    rows = static.nn.embedding(static.data("ids", [None], "int64"), [5, 2])
    exe = started()
    lines = r"(?s)index 7 is out of range.*at .*static\.nn\.embedding.*run at .*exe\.run\(feed"
    with pytest.raises(RuntimeError, match=lines):
        exe.run(feed={"ids": np.array([7])}, fetch_list=[rows])
    with pytest.raises(ValueError, match=r"(?s)'ids' must be 'int64'.*run at .*exe\.run"):
        exe.run(feed={"ids": np.array([0.5])}, fetch_list=[rows])


def test_variables_of_another_program_are_found_by_name_or_refused() -> None:
    x = static.data("x", [None, 4])
    other = static.Program()
    with static.program_guard(other):
        with pytest.raises(RuntimeError, match="belongs to another Program, and this one has no"):
            x * 2.0
        static.data("x", [None, 4])
        doubled = x * 2.0
    (found,) = Executor().run(other, feed=FEED, fetch_list=[doubled])
    np.testing.assert_array_equal(found, 2 * FEED["x"])


def test_data_loader_gives_feeds() -> None:
    class Rows(paddle.io.Dataset):
        def __getitem__(self, index: int) -> Any:
            return np.full(3, index, "float32"), np.array([index], "int64")

        def __len__(self) -> int:
            return 5

    x, y = static.data("x", [None, 3]), static.data("y", [None, 1], "int64")
    out = paddle.sum(x) + paddle.cast(paddle.sum(y), "float32")
    loader = paddle.io.DataLoader(Rows(), feed_list=[x, y], batch_size=2, return_list=False)
    found = [Executor().run(feed=data, fetch_list=[out])[0].item() for data in loader]
    assert found == [4.0, 20.0, 16.0]
    listed = paddle.io.DataLoader(Rows(), feed_list=[x, y], batch_size=5)
    assert [part.shape for part in next(iter(listed))] == [[5, 3], [5, 1]]


def test_places_and_name_scopes_are_accepted() -> None:
    with static.name_scope("part"), static.device_guard("cpu"):
        assert paddle.ones([1]).name == "fill_constant_1.tmp_0"
    assert static.cpu_places(2) == [paddle.CPUPlace()] * 2
    with pytest.raises(ValueError, match="on the CPU only"), static.device_guard("gpu:0"):
        pass
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        static.nope  # noqa: B018


def test_a_startup_program_makes_anew_what_another_program_left_in_another_shape() -> None:
    exe = Executor()
    for size in (3, 1):
        main, startup = static.Program(), static.Program()
        with static.program_guard(main, startup), paddle.utils.unique_name.guard():
            out = static.nn.fc(static.data("x", [None, 2]), size)
            exe.run(startup)
            (found,) = exe.run(main, feed={"x": np.ones([4, 2], np.float32)}, fetch_list=[out])
        assert found.shape == (4, size)
        assert [p.name for p in main.all_parameters()] == ["fc_0.w_0", "fc_0.b_0"]
