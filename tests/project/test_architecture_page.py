"""The worked examples of docs/architecture.md run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
OP, PASS = re.findall(r"```python\n(.*?)```", PAGE, re.S)

USE_OP = """
import numpy as np
import wherry as paddle
from wherry.dispatch import run_op
from wherry.ir.emit import run_reference
from wherry.ir.opdef import OPS
from wherry.ir.scalar import NumpyScalars

declared = OPS["soft_sign_square"]
for one in declared.samples:
    (x,) = one.make()
    want = run_reference(declared, [x], {})
    np.testing.assert_allclose(NumpyScalars().run(declared.scalar, x), want, rtol=1e-6)
    compiled = paddle.jit.to_static(lambda t: run_op("soft_sign_square", t))
    np.testing.assert_allclose(compiled(paddle.to_tensor(x)).numpy(), want, rtol=1e-6)
x = paddle.to_tensor(np.array([-1.5, 0.5, 3.0]), stop_gradient=False)
run_op("soft_sign_square", x).sum().backward()
step = 1e-6
f = declared.reference
difference = (f(x.numpy() + step) - f(x.numpy() - step)) / (2 * step)
np.testing.assert_allclose(x.grad.numpy(), difference, rtol=1e-6)
print("the op works")
"""

USE_PASS = """
from wherry.ir.passes import run_passes
from wherry.ir.text import parse_text, to_text
from wherry.ir.program import Program
from wherry.ir.emit import BlockEmitter
from wherry.schema.dtypes import as_dtype

program = Program()
x = program.global_block.add_arg("x", [3], as_dtype("float32"))
F = BlockEmitter(program.global_block)
program.outputs.append(F.scale(F.scale(x, scale=-1.0), scale=-1.0))
run_passes(program, [DoubleNegation()])
assert program.outputs == [x], to_text(program)
print("the pass works")
"""


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_op_is_complete_as_it_stands(tmp_path):
    # to_static reads a function's source, so the example runs from a file.
    script = tmp_path / "example.py"
    script.write_text(OP + USE_OP)
    assert run(f"import runpy; runpy.run_path({str(script)!r})") == "the op works\n"


def test_the_pass_is_complete_as_it_stands():
    assert run(PASS + USE_PASS) == "the pass works\n"
