"""Programs and inference models in files (checklist rows 54, 65 and 70)."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.schema.errors import ModelFormatError
from wherry.static import Executor

static = paddle.static


@pytest.fixture
def net() -> tuple[Any, Any, Any, Executor]:
    """The specification's Program, started."""
    x = static.data("x", [None, 10])
    y = static.data("y", [None, 3])
    out = paddle.add(static.nn.fc(x, 3), y)
    exe = Executor(paddle.CPUPlace())
    exe.run(static.default_startup_program())
    return x, y, out, exe


FEED = {"x": np.ones((2, 10), np.float32), "y": np.full((2, 3), 0.5, np.float32)}
Net = tuple[Any, Any, Any, Executor]


@pytest.mark.parametrize("suffix", ["pdmodel", "pdimodel", "anything"])
def test_program_and_state_round_trip(net: Net, tmp_path: Path, suffix: str) -> None:
    *_, out, exe = net
    main = static.default_main_program()
    (want,) = exe.run(feed=FEED, fetch_list=[out])
    paddle.save(main, str(tmp_path / f"main.{suffix}"))
    paddle.save(main.state_dict(), str(tmp_path / "main.pdiparams"))
    with static.scope_guard(static.Scope()):
        program = paddle.load(str(tmp_path / f"main.{suffix}"))
        assert isinstance(program, static.Program)
        assert str(program) == str(main)
        with pytest.raises(RuntimeError, match="has not been initialized"):
            exe.run(program, feed=FEED, fetch_list=[out.name])
        program.set_state_dict(paddle.load(str(tmp_path / "main.pdiparams")))
        (found,) = exe.run(program, feed=FEED, fetch_list=[out.name])
    np.testing.assert_array_equal(found, want)


def test_set_state_dict_says_what_does_not_fit(net: Net) -> None:
    main = static.default_main_program()
    with pytest.warns(UserWarning, match="'zz' not in the program"):
        main.set_state_dict({"zz": np.ones(3, np.float32)})
    with pytest.warns(UserWarning, match=r"expected a shape \[10, 3\], but the received .* \[2\]"):
        main.set_state_dict({"fc_0.w_0": np.ones(2, np.float32)})
    with pytest.warns(UserWarning, match=r"expected the dtype float32, but received float64"):
        main.set_state_dict({"fc_0.b_0": np.ones(3)})
    assert sorted(main.state_dict("param")) == ["fc_0.b_0", "fc_0.w_0"]
    assert main.state_dict("opt") == {}


def test_empty_program_and_state(tmp_path: Path) -> None:
    empty = static.Program()
    paddle.save(empty, str(tmp_path / "empty.pdimodel"))
    with pytest.warns(UserWarning, match="The input state dict is empty, no need to save"):
        paddle.save(empty.state_dict(), str(tmp_path / "empty.pdiparams"))
    assert list(paddle.load(str(tmp_path / "empty.pdimodel")).list_vars()) == []


def test_damaged_program_is_refused(net: Net, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    paddle.save(static.default_main_program(), buffer)
    data = bytearray(buffer.getvalue())
    data[len(data) // 2] ^= 1
    path = tmp_path / "broken.pdmodel"
    path.write_bytes(bytes(data))
    with pytest.raises(ModelFormatError, match="broken"):
        paddle.load(str(path))


def test_a_loaded_program_can_grow(net: Net, tmp_path: Path) -> None:
    x, _, out, exe = net
    dropped = paddle.nn.functional.dropout(x, 0.5)
    path = str(tmp_path / "main")
    paddle.save(static.default_main_program(), path)
    program = paddle.load(path)
    with static.program_guard(program):
        loaded = next(var for var in program.list_vars() if var.name == out.name)
        more = paddle.nn.functional.dropout(loaded * 2.0, 0.5)
    first, twice, again = exe.run(program, feed=FEED, fetch_list=[dropped.name, more, out.name])
    assert set(np.unique(first)) <= {0.0, 2.0}
    assert ((twice == 0) | np.isclose(twice, again * 4)).all()


def test_inference_model_round_trip(net: Net, tmp_path: Path) -> None:
    x, y, out, exe = net
    (want,) = exe.run(feed=FEED, fetch_list=[out])
    prefix = str(tmp_path / "folder" / "model")
    static.save_inference_model(prefix, [x, y], [out], exe)
    assert {"model.pdmodel", "model.pdiparams"} <= set(os.listdir(tmp_path / "folder"))
    with static.scope_guard(static.Scope()):
        program, feeds, fetches = static.load_inference_model(prefix, exe)
        assert feeds == ["x", "y"]
        (found,) = exe.run(program, feed=FEED, fetch_list=fetches)
    np.testing.assert_array_equal(found, want)
    paddle.disable_static()
    layer = paddle.jit.load(prefix)
    tensors = [paddle.to_tensor(FEED[name]) for name in ("x", "y")]
    np.testing.assert_array_equal(layer(*tensors).numpy(), want)


def test_inference_model_holds_only_what_is_needed(net: Net, tmp_path: Path) -> None:
    x, y, out, exe = net
    hidden = static.default_main_program().global_block().vars["fc_0.tmp_1"]
    fetch = next(v for v in static.default_main_program().list_vars() if v.name == hidden.name)
    static.save_inference_model(str(tmp_path / "m"), x, fetch, exe)
    program, feeds, _ = static.load_inference_model(str(tmp_path / "m"), exe)
    assert feeds == ["x"]
    assert [op.type for op in program.global_block().ops] == ["mul", "elementwise_add"]
    with pytest.raises(ValueError, match=r"fetch_vars depend on \['y'\]"):
        static.save_inference_model(str(tmp_path / "m"), [x], [out], exe)
    with pytest.raises(ValueError, match="'feed_vars' should be a Variable or a list"):
        static.save_inference_model(str(tmp_path / "m"), [3], [out], exe)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="the file_prefix is empty"):
        static.save_inference_model(str(tmp_path) + "/", [x, y], [out], exe)
    with pytest.raises(ModelFormatError, match="nope"):
        static.load_inference_model(str(tmp_path / "nope"), exe)


def test_sizes_of_inputs_that_are_not_fed_do_not_matter(tmp_path: Path) -> None:
    x, label = static.data("x", [None, 4]), static.data("label", [None, 4])
    out = x * 2.0
    paddle.nn.functional.mse_loss(out, label)
    exe = Executor()
    feed = {"x": np.ones((3, 4), np.float32)}
    np.testing.assert_array_equal(exe.run(feed=feed, fetch_list=[out])[0], feed["x"] * 2)
    static.save_inference_model(str(tmp_path / "m"), [x], [out], exe)
    program, _, fetches = static.load_inference_model(str(tmp_path / "m"), exe)
    np.testing.assert_array_equal(exe.run(program, feed=feed, fetch_list=fetches)[0], feed["x"] * 2)


def test_layers_are_saved_with_the_program(tmp_path: Path) -> None:
    paddle.disable_static()
    net = paddle.nn.Sequential(paddle.nn.Linear(4, 3), paddle.nn.BatchNorm1D(3))
    paddle.enable_static()
    x = static.data("x", [None, 4])
    out = net(x)
    main, exe = static.default_main_program(), Executor()
    state = main.state_dict()
    assert state[net[0].weight.name] is net[0].weight
    main.set_state_dict({net[0].bias.name: np.ones(3, np.float32)})
    assert net[0].bias.tolist() == [1.0, 1.0, 1.0]
    feed = {"x": np.random.default_rng(0).standard_normal((5, 4)).astype("float32")}
    (want,) = exe.run(main.clone(for_test=True), feed=feed, fetch_list=[out.name])
    static.save_inference_model(str(tmp_path / "m"), [x], [out], exe)
    program, _, fetches = static.load_inference_model(str(tmp_path / "m"), exe)
    np.testing.assert_allclose(exe.run(program, feed=feed, fetch_list=fetches)[0], want, rtol=1e-6)
    paddle.save(main, str(tmp_path / "main"))
    paddle.save(state, str(tmp_path / "state"))
    loaded = paddle.load(str(tmp_path / "main")).clone(for_test=True)
    loaded.set_state_dict(paddle.load(str(tmp_path / "state")))
    (found,) = exe.run(loaded, feed=feed, fetch_list=[out.name])
    np.testing.assert_allclose(found, want, rtol=1e-6)


def test_normalize_program_is_for_inference() -> None:
    x = static.data("x", [None, 4])
    out = paddle.nn.functional.dropout(x, 0.5) * 3.0
    program = static.normalize_program(static.default_main_program(), [x], [out])
    feed = {"x": np.ones((2, 4), np.float32)}
    (found,) = Executor().run(program, feed=feed, fetch_list=[out.name])
    np.testing.assert_array_equal(found, np.full((2, 4), 3.0, np.float32))


def test_predictor(net: Net, tmp_path: Path) -> None:
    x, y, out, exe = net
    (want,) = exe.run(feed=FEED, fetch_list=[out])
    prefix = str(tmp_path / "model")
    static.save_inference_model(prefix, [x, y], [out], exe)
    inference = paddle.inference
    config = inference.Config(prefix + ".pdmodel", prefix + ".pdiparams")
    predictor = inference.create_predictor(config)
    assert predictor.get_input_names() == ["x", "y"]
    handle = predictor.get_input_handle("x")
    assert handle.shape() == [-1, 10]
    with pytest.raises(ValueError, match="input 'x' has no data"):
        predictor.run()
    for name in predictor.get_input_names():
        predictor.get_input_handle(name).copy_from_cpu(FEED[name])
    assert predictor.run() is True
    result = predictor.get_output_handle(predictor.get_output_names()[0])
    np.testing.assert_array_equal(result.copy_to_cpu(), want)
    assert result.shape() == [2, 3]
    (listed,) = predictor.clone().run([FEED["x"], FEED["y"]])
    np.testing.assert_array_equal(listed, want)
    handle.copy_from_cpu(np.ones((2, 9), np.float32))
    with pytest.raises(ValueError, match=r"input 'x' needs the shape \[-1, 10\], got \[2, 9\]"):
        predictor.run()
    handle.copy_from_cpu(np.ones((2, 10)))
    with pytest.raises(ValueError, match="input 'x' needs float32, got float64"):
        predictor.run()
    with pytest.raises(ValueError, match="the model has no input 'z'"):
        predictor.get_input_handle("z")


def test_predictor_of_a_folder_or_of_nothing(net: Net, tmp_path: Path) -> None:
    x, y, out, exe = net
    with pytest.raises(ModelFormatError, match=r"needs one .pdmodel"):
        paddle.inference.create_predictor(paddle.inference.Config(str(tmp_path)))
    static.save_inference_model(str(tmp_path / "model"), [x, y], [out], exe)
    predictor = paddle.inference.create_predictor(paddle.inference.Config(str(tmp_path)))
    assert len(predictor.get_output_names()) == 1
    with pytest.raises(ValueError, match="names no model"):
        paddle.inference.create_predictor(paddle.inference.Config())
