"""Native code is what runs: not numpy, not Python, not a compiler that others must install."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import wherry as paddle
import wherry.runtime
from wherry import codegen, nn
from wherry.aot import compile_model
from wherry.ir import opdef
from wherry.schema.errors import InputError
from wherry.static import InputSpec


def images(count, seed=0):
    return np.random.RandomState(seed).rand(count, 1, 8, 8).astype("float32")


@pytest.fixture
def no_references(monkeypatch):
    """From the call on, what an op means in numpy raises."""

    def refuse(*_, **__):
        raise AssertionError("a reference was called")

    def switch_off():
        for name, definition in list(opdef.OPS.items()):
            monkeypatch.setitem(opdef.OPS, name, replace(definition, reference=refuse))

    return switch_off


def training_losses(after_compiling) -> list[float]:
    """The losses of a few steps in which forward, loss and backward are compiled."""
    paddle.seed(3)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = paddle.optimizer.Adam(0.01, parameters=net.parameters())

    @paddle.jit.to_static
    def loss_of(x, label):
        return nn.functional.cross_entropy(net(x), label)

    rng = np.random.RandomState(0)
    batches = [
        (paddle.to_tensor(rng.rand(9, 6).astype("float32")), paddle.to_tensor(rng.randint(0, 3, 9)))
        for _ in range(4)
    ]
    losses = []
    for number, (x, label) in enumerate(batches):
        if number == 1:  # compiled by now: folding constants may use the references
            after_compiling()
        loss = loss_of(x, label)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss.numpy()))
    return losses


def test_without_the_references_compiled_training_is_unchanged(no_references):
    want = training_losses(lambda: None)
    assert training_losses(no_references) == want


def test_without_the_references_compiled_forward_and_the_loaded_so_are_unchanged(
    saved, no_references
):
    compiled = paddle.jit.to_static(type(saved.net)())
    compiled.set_state_dict(saved.net.state_dict())
    compiled.eval()
    x = paddle.to_tensor(images(3))
    with paddle.no_grad():
        want = compiled(x).numpy()
        no_references()
        assert np.array_equal(compiled(x).numpy(), want)
    loaded = wherry.runtime.load(str(saved.so))(images(3))
    assert np.abs(loaded - want).max() <= 1e-6


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_one_shared_object_serves_every_batch(saved, count):
    before = codegen.compile_count()
    predict = wherry.runtime.load(str(saved.so))
    assert np.abs(predict(images(count)) - saved.dynamic(images(count))).max(initial=0) <= 1e-5
    assert codegen.compile_count() == before


def test_one_compilation_serves_every_batch_in_process():
    net = paddle.jit.to_static(nn.Sequential(nn.Linear(4, 3), nn.Softmax()))
    net.eval()
    before = codegen.compile_count()
    with paddle.no_grad():
        for count in (7, 2, 64, 1000):
            assert net(paddle.rand([count, 4])).shape == [count, 3]
    assert codegen.compile_count() == before + 1


def test_a_smaller_last_batch_compiles_nothing():
    net = paddle.jit.to_static(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))
    counts = []
    for count in (64, 64, 13):
        net(paddle.rand([count, 4])).sum().backward()
        counts.append(codegen.compile_count())
    assert counts[0] == counts[1] == counts[2]


def chain(length: int) -> nn.Layer:
    class Chain(nn.Layer):
        def __init__(self):
            super().__init__()
            self.linears = nn.LayerList([nn.Linear(4, 4) for _ in range(length)])

        def forward(self, x):
            for linear in self.linears:
                x = nn.functional.relu(linear(x))
            return x

    return Chain()


def python_calls(predict, x) -> int:
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    predict(x)
    sys.setprofile(profile)
    predict(x)
    sys.setprofile(None)
    return count


def test_a_prediction_takes_as_many_python_calls_for_a_large_network_as_for_a_small_one(tmp_path):
    from wherry.aot import compile_model

    counts = []
    for length in (2, 70):
        net = chain(length)
        net.eval()
        prefix = str(tmp_path / f"chain{length}")
        paddle.jit.save(net, prefix, input_spec=[InputSpec([None, 4], "float32", "x")])
        predict = wherry.runtime.load(str(compile_model(prefix)))
        counts.append(python_calls(predict, np.ones([2, 4], "float32")))
    assert counts[0] == counts[1] < 100


def test_sixteen_threads_on_one_predictor_agree_bit_for_bit(saved):
    predict = wherry.runtime.load(str(saved.so))
    batches = [images(1 + i % 5, seed=i) for i in range(16)]
    want = [predict(batch) for batch in batches]
    wrong: list[int] = []

    def work(i: int) -> None:
        wrong.extend(i for _ in range(50) if not np.array_equal(predict(batches[i]), want[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


AUDITED_COMPILE = """
import sys
def refuse(event, args):
    if event in ('subprocess.Popen', 'os.system', 'os.exec', 'os.fork', 'os.forkpty',
                 'os.posix_spawn', 'os.spawn'):
        raise RuntimeError(f'started a process: {event} {args}')
sys.addaudithook(refuse)
from wherry.cli import main
raise SystemExit(main(['compile', sys.argv[1], '-o', sys.argv[2]]))
"""


def test_compiling_starts_no_process_and_needs_no_path(saved, tmp_path):
    target = tmp_path / "out.so"
    command = [sys.executable, "-c", AUDITED_COMPILE, str(saved.prefix), str(target)]
    environment = {**os.environ, "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    want = wherry.runtime.load(str(saved.so))(images(2))
    assert np.array_equal(wherry.runtime.load(str(target))(images(2)), want)


FRESH = """
import sys
for missing in ('llvmlite', 'gast', 'wherry.ir', 'wherry.codegen', 'wherry.jit', 'wherry.nn'):
    sys.modules[missing] = None
import numpy as np, wherry.runtime
np.save(sys.argv[3], wherry.runtime.load(sys.argv[1])(np.load(sys.argv[2])))
"""


def test_a_fresh_process_without_compiler_and_source_predicts_the_same(saved, tmp_path):
    np.save(tmp_path / "in.npy", images(5))
    paths = [str(saved.so), str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *paths], cwd=tmp_path, check=True, timeout=600)
    assert np.abs(np.load(tmp_path / "out.npy") - saved.dynamic(images(5))).max() <= 1e-5


def test_a_number_of_numpys_is_an_input_without_dims(tmp_path):
    scaled = paddle.jit.to_static(
        lambda x, by: x * by,
        input_spec=[InputSpec([None], name="x"), InputSpec([], name="by")],
    )
    paddle.jit.save(scaled, str(tmp_path / "scaled"))
    predict = wherry.runtime.load(compile_model(tmp_path / "scaled"))
    x = np.arange(3, dtype="float32")
    np.testing.assert_array_equal(predict(x, x.max()), x * 2)
    np.testing.assert_array_equal(predict(x, by=x.max()), x * 2)
    with pytest.raises(InputError, match="'by' needs dtype float32, got float64"):
        predict(x, np.float64(2))
