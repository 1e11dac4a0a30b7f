"""Serialized Programs and parameters, `static.save` and `load`, in files and between scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.schema.errors import ModelFormatError
from wherry.static import Executor

static = paddle.static
FEED = {"x": np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)}


def trained() -> tuple[Any, Any, Any, Executor]:
    """A Program that was trained for two steps: x, its output and loss."""
    x = static.data("x", [None, 4])
    out = static.nn.batch_norm(static.nn.fc(x, 3, activation="tanh"))
    loss = paddle.mean(out * out) + paddle.mean(out)
    paddle.optimizer.Adam(0.1).minimize(loss)
    exe = Executor()
    exe.run(static.default_startup_program())
    for _ in range(2):
        exe.run(feed=FEED, fetch_list=[loss])
    return x, out, loss, exe


def losses(exe: Executor, program: Any, loss: Any) -> list[Any]:
    return [exe.run(program, feed=FEED, fetch_list=[loss.name])[0] for _ in range(3)]


def test_training_goes_on_after_save_and_load(tmp_path: Path) -> None:
    _, _, loss, exe = trained()
    main = static.default_main_program()
    path = str(tmp_path / "folder" / "model")
    (tmp_path / "folder").mkdir()
    static.save(main, path)
    assert sorted(file.name for file in (tmp_path / "folder").iterdir()) == [
        "model.pdmodel", "model.pdopt", "model.pdparams",
    ]  # fmt: skip
    want = losses(exe, main, loss)
    with static.scope_guard(static.Scope()):
        exe.run(static.default_startup_program())
        assert losses(exe, main, loss) != want
        static.load(main, path, exe)
        assert losses(exe, main, loss) == want
    with static.scope_guard(static.Scope()):
        program = paddle.load(path + ".pdmodel")
        static.set_program_state(program, static.load_program_state(path))
        assert losses(exe, program, loss) == want
        with pytest.warns(UserWarning, match="This list is not set.*There are: nothing"):
            static.set_program_state(program, {"nothing": np.zeros(3, "float32")})


def test_what_the_files_of_save_hold(tmp_path: Path) -> None:
    trained()
    main, path = static.default_main_program(), str(tmp_path / "model")
    static.save(main, path)
    state = static.load_program_state(path)
    assert set(state) == set(main.state_dict())
    parameters = {
        "fc_0.w_0",
        "fc_0.b_0",
        *(f"batch_norm_0.{n}" for n in ("w_0", "b_0", "w_1", "w_2")),
    }
    assert set(paddle.load(path + ".pdparams")) == parameters == set(main.state_dict("param"))
    assert "fc_0.w_0_moment1_0" in paddle.load(path + ".pdopt")
    one = static.load_program_state(path, [main.global_block().var("fc_0.b_0")])
    assert list(one) == ["fc_0.b_0"]


def test_what_load_refuses(tmp_path: Path) -> None:
    trained()
    main, path = static.default_main_program(), str(tmp_path / "model")
    with pytest.raises(ValueError, match=r"nope.pdparams\] not exists"):
        static.load(main, str(tmp_path / "nope"))
    static.save(main, path)
    with pytest.raises(ValueError, match="MUST be format of dirname/filename"):
        static.save(main, str(tmp_path) + "/")
    other = static.Program()
    with static.program_guard(other, static.Program()), paddle.utils.unique_name.guard():
        static.nn.fc(static.data("x", [None, 5]), 3)
    with pytest.raises(ValueError, match=r"fc_0.w_0 expected a shape \[5, 3\], but .* is \[4, 3\]"):
        static.load(other, path)
    more = static.Program()
    with static.program_guard(more, static.Program()):
        static.create_parameter([2], "float32", name="own")
    with pytest.raises(ValueError, match=r"Can not find \['own'\] in model file"):
        static.load(more, path)


def test_serialized_program_and_parameters() -> None:
    x, out, _, exe = trained()
    program = static.serialize_program([x], [out])
    parameters = static.serialize_persistables([x], [out], exe)
    assert type(program) is type(parameters) is bytes
    test = static.default_main_program().clone(for_test=True)
    (want,) = exe.run(test, feed=FEED, fetch_list=[out])
    with static.scope_guard(static.Scope()):
        copy = static.deserialize_program(program)
        with pytest.raises(RuntimeError, match="has not been initialized"):
            exe.run(copy, feed=FEED, fetch_list=[out.name])
        static.deserialize_persistables(copy, parameters, exe)
        (found,) = exe.run(copy, feed=FEED, fetch_list=[out.name])
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    assert [op.type for op in copy.global_block().ops] == [
        "mul", "elementwise_add", "tanh", "batch_norm",
    ]  # fmt: skip
    assert [p.name for p in copy.all_parameters()] == [
        p.name for p in static.default_main_program().all_parameters()
    ]


def test_serialized_bytes_are_checked(tmp_path: Path) -> None:
    x, out, _, exe = trained()
    data = static.serialize_program(x, out)
    parameters = static.serialize_persistables(x, out, exe)
    program = static.deserialize_program(data)
    for broken in (b"", data[:-1], parameters, data[:100] + b"?" + data[101:]):
        with pytest.raises(ModelFormatError, match="serialized Program"):
            static.deserialize_program(broken)
    for broken in (b"", data, parameters[:-1]):
        with pytest.raises(ModelFormatError, match="serialized parameters"):
            static.deserialize_persistables(program, broken, exe)
    empty = static.Program()
    with pytest.raises(ModelFormatError, match=r"the Program has no fc_0\.w_0"):
        static.deserialize_persistables(empty, parameters, exe)
    path = str(tmp_path / "deep" / "file")
    static.save_to_file(path, data)
    assert static.load_from_file(path) == data
    with pytest.raises(ValueError, match="'content' type should be bytes"):
        static.save_to_file(path, "text")  # type: ignore[arg-type]


def test_a_saved_program_keeps_its_constants_and_its_seed(tmp_path: Path) -> None:
    x = static.data("x", [None, 4])
    table = np.arange(20000, dtype="float32").reshape(4, 5000)
    out = paddle.sum(paddle.matmul(x, paddle.to_tensor(table)), axis=1)
    main, exe = static.default_main_program(), Executor()
    main.random_seed = 11
    paddle.save(main, str(tmp_path / "main"))
    loaded = paddle.load(str(tmp_path / "main"))
    assert loaded.random_seed == 11
    first, second = (exe.run(p, feed=FEED, fetch_list=[out.name])[0] for p in (main, loaded))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, (FEED["x"] @ table).sum(1), rtol=1e-4)


def test_an_inference_model_leaves_training_out(tmp_path: Path) -> None:
    x, out, loss, exe = trained()
    prefix = str(tmp_path / "model")
    static.save_inference_model(prefix, [x], [out, loss], exe)
    test = static.default_main_program().clone(for_test=True)
    want = exe.run(test, feed=FEED, fetch_list=[out, loss])
    with static.scope_guard(static.Scope()):
        program, feeds, fetches = static.load_inference_model(prefix, exe)
        found = exe.run(program, feed=FEED, fetch_list=fetches)
    assert (feeds, [one.name for one in fetches]) == (["x"], [out.name, loss.name])
    for one, two in zip(found, want, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert {op.attr("op_role") for op in program.global_block().ops} <= {0, 256}
    folder = static.load_inference_model(str(tmp_path), exe, model_filename="model.pdmodel",
                                         params_filename="model.pdiparams")  # fmt: skip
    assert folder[1] == ["x"]


def test_a_loaded_inference_model_can_be_trained(tmp_path: Path) -> None:
    x = static.data("x", [None, 4])
    out = static.nn.fc(x, 1)
    exe = Executor()
    exe.run(static.default_startup_program())
    static.save_inference_model(str(tmp_path / "m"), [x], [out], exe)
    program, _, (loaded,) = static.load_inference_model(str(tmp_path / "m"), exe)
    start = static.Program()
    with static.program_guard(program, start):
        loss = paddle.mean(paddle.square(loaded - 1.0))
        paddle.optimizer.SGD(0.1).minimize(loss)
    exe.run(start)
    found = [exe.run(program, feed=FEED, fetch_list=[loss])[0].item() for _ in range(4)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]
