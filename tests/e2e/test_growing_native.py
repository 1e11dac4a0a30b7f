"""A model whose list grows as the data want, as a shared object that numpy alone runs."""

import subprocess
import sys

import numpy as np

import wherry as paddle
import wherry.runtime
from wherry.aot import compile_model
from wherry.static import InputSpec

SCRIPT = """
import sys, threading
import numpy as np
from wherry.runtime import load

predict = load(sys.argv[1])
assert predict.input_names == ["x", "limit"] and len(predict.input_shapes) == 2
failed = []

def work(limits):
    for limit in limits:
        rows, length, buffer = predict(np.array([1, 2], "float32"), limit=np.array(limit, "f4"))
        want = [[2.0**i, 2.0 ** (i + 1)] for i in range(max(length, 1))]
        fits = 2.0**length > limit and (length == 1 or 2.0 ** (length - 1) <= limit)
        if rows.tolist() != want or not fits or buffer[: int(length)].tolist() != want:
            failed.append(limit)

orders = [0, 3, 1e30, 100], [1e20, 0, 7] * 20, [5, 1e25] * 20
threads = [threading.Thread(target=work, args=(limits,)) for limits in orders]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
assert not {"llvmlite", "gast", "wherry.ir", "wherry.codegen"} & set(sys.modules)
try:
    predict(np.ones(2, "float32"))
except ValueError as error:
    print(error)
"""


def doubled(x, limit):
    found = [x]
    while found[-1][1] <= limit:
        found.append(found[-1] * 2)
    return paddle.stack(found), found


def test_a_fresh_process_runs_it_with_numpy(tmp_path):
    spec = [InputSpec([2], name="x"), InputSpec([], name="limit")]
    paddle.jit.save(paddle.jit.to_static(doubled, spec), str(tmp_path / "doubled"))
    so = compile_model(tmp_path / "doubled")
    command = [sys.executable, "-c", SCRIPT, str(so)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "doubled needs 2 input(s), x, limit; got 1\n"


def summed(x, limit):
    print("limit", limit)
    return paddle.concat(doubled(x, limit)[1])


def test_what_is_printed_is_printed_once(tmp_path, capsys):
    spec = [InputSpec([2], name="x"), InputSpec([], name="limit")]
    paddle.jit.save(paddle.jit.to_static(summed, spec), str(tmp_path / "summed"))
    predict = wherry.runtime.load(compile_model(tmp_path / "summed"))
    capsys.readouterr()
    x = np.array([1, 2], "float32")
    for limit, count in ((2.0**60, 60), (3.0, 1), (1.0, 0)):
        assert predict(x, np.array(limit, "float32")).shape == (2 * count + 2,)
        assert capsys.readouterr().out.count("limit") == 1
