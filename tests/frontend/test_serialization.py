"""paddle.save and paddle.load: Paddle's own bytes, and nothing but data comes in."""

import io
import os
import pickle

import numpy as np
import pytest

import wherry as paddle
from wherry.schema.errors import ModelFormatError


class _Recorder(pickle.Unpickler):
    """Notes every global that a pickle names."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.found = []
        self.load()

    def find_class(self, module, name):
        self.found.append(f"{module}.{name}")
        return {"_reconstruct": lambda *_: np.zeros(0), "ndarray": np.ndarray}.get(name, np.dtype)


def test_state_dict_is_the_pickle_that_paddle_writes(tmp_path):
    with paddle.utils.unique_name.guard():
        net = paddle.nn.Linear(2, 2)
    path = tmp_path / "deep" / "net.pdparams"
    paddle.save(net.state_dict(), str(path))
    data = path.read_bytes()
    assert data[:2] == b"\x80\x04" and len(data) == 291
    assert _Recorder(data).found == [
        "numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype",
    ]  # fmt: skip
    raw = paddle.load(str(path), return_numpy=True, keep_name_table=True)
    assert list(raw) == ["weight", "bias", "StructuredToParameterName@@"]
    assert raw["StructuredToParameterName@@"] == {"weight": "linear_0.w_0", "bias": "linear_0.b_0"}
    loaded = paddle.load(str(path))
    assert list(loaded) == ["weight", "bias"] and isinstance(loaded["weight"], paddle.Tensor)
    assert net.set_state_dict(loaded) == ([], [])
    assert os.listdir(path.parent) == ["net.pdparams"]


def test_optimizer_state_goes_on_where_it_was(tmp_path):
    def train(net, optimizer, steps):
        for _ in range(steps):
            net(paddle.ones([1, 2])).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
            optimizer._learning_rate.step()

    def make():
        with paddle.utils.unique_name.guard():
            net = paddle.nn.Linear(2, 2, weight_attr=paddle.nn.initializer.Constant(1.0))
        schedule = paddle.optimizer.lr.StepDecay(0.1, 2)
        return net, paddle.optimizer.Adam(schedule, parameters=net.parameters())

    straight, halves = make(), make()
    train(*straight, 6)
    train(*halves, 3)
    paddle.save(halves[0].state_dict(), str(tmp_path / "a.pdparams"))
    paddle.save(halves[1].state_dict(), str(tmp_path / "a.pdopt"))
    resumed = make()
    resumed[0].set_state_dict(paddle.load(str(tmp_path / "a.pdparams")))
    resumed[1].set_state_dict(paddle.load(str(tmp_path / "a.pdopt")))
    train(*resumed, 3)
    for a, b in zip(straight[0].parameters(), resumed[0].parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert straight[1].get_lr() == resumed[1].get_lr()


def test_nested_objects_keep_their_form():
    x = paddle.to_tensor([1.0, 2.0])
    file = io.BytesIO()
    paddle.save({"x": x, "list": [1, "two", np.arange(3)], "f": 1.5, "t": (x, None)}, file)
    file.seek(0)
    loaded = paddle.load(file)
    assert loaded["x"].tolist() == [1, 2] and loaded["x"].name == x.name
    assert loaded["list"][:2] == [1, "two"] and isinstance(loaded["list"][2], np.ndarray)
    assert loaded["f"] == 1.5 and loaded["t"][0].tolist() == [1, 2] and loaded["t"][1] is None
    assert pickle.loads(file.getvalue())["x"][0] == x.name


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float16", "float64"])
@pytest.mark.parametrize("shape", [[], [0, 3], [2, 3]])
def test_every_dtype_and_shape(dtype, shape):
    file = io.BytesIO()
    paddle.save(paddle.ones(shape, dtype), file)
    file.seek(0)
    loaded = paddle.load(file)
    assert loaded.shape == shape and loaded.dtype.name == dtype and bool((loaded == 1).all())


class _Evil:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("thing", "name"), [(_Evil(), "posix.system"), (print, "builtins.print"), (len, "builtins.len"),
                        (io.BytesIO(), "_io.BytesIO"), (np.linalg.norm, "numpy.linalg")],
)  # fmt: skip
def test_everything_but_data_is_refused_by_name(tmp_path, thing, name):
    path = tmp_path / "evil.pdparams"
    path.write_bytes(pickle.dumps({"weight": np.ones(2), "x": thing}))
    with pytest.raises(ModelFormatError, match=name):
        paddle.load(str(path))


def test_object_arrays_are_refused(tmp_path):
    path = tmp_path / "objects.pdparams"
    path.write_bytes(pickle.dumps(np.array([_Evil()], dtype=object)))
    with pytest.raises(ModelFormatError, match=r"posix\.system"):
        paddle.load(str(path))


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "net.pdparams"
    paddle.save({"x": paddle.ones([100])}, str(path))
    data = path.read_bytes()
    for cut in (0, 1, 10, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelFormatError, match="can not parse the file"):
            paddle.load(str(path))
    with pytest.raises(FileNotFoundError):
        paddle.load(str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="filename is empty"):
        paddle.save({}, str(tmp_path) + "/")
    with pytest.raises(ValueError, match="protocol"):
        paddle.save({}, str(path), protocol=5)
    with pytest.raises(ValueError, match=r"net\.state_dict\(\)"):
        paddle.save(paddle.nn.Linear(1, 1), str(path))


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.pdparams"
    paddle.save({"x": paddle.ones([1])}, str(path))
    before = path.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        paddle.save({"x": lambda: 1}, str(path))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.pdparams"]
