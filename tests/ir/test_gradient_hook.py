"""gradient_hook: what it is to passes, the interpreter, the text and the gradient."""

from __future__ import annotations

import numpy as np

from wherry.ir.backward import split_training
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.passes.dce import Dce
from wherry.ir.program import Program
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify
from wherry.schema.dtypes import float32


def hooked() -> Program:
    """y = x * x; the gradient of y times 10, plus x."""
    program = Program()
    x = program.global_block.add_arg("x", (3,), float32, stop_gradient=False)
    F = BlockEmitter(program.global_block)
    y = F.elementwise_mul(x, x)
    block = program.create_block(program.global_block)
    grad, also = block.add_arg("g", (3,), float32), block.add_arg("also", (3,), float32)
    G = BlockEmitter(block)
    block.results = [G.elementwise_add(G.scale(grad, scale=10.0), also)]
    F.gradient_hook(y, [x], block=block)
    program.global_block.results = [F.scale(y, scale=2.0)]
    return program


def test_it_changes_the_whole_gradient_of_its_variable() -> None:
    program = hooked()
    verify(program)
    pair = split_training(program)
    assert all(op.type != "gradient_hook" for one in (pair.forward, pair.backward)
               for op in one.all_ops())  # fmt: skip
    x, one = np.array([1, 2, 3], np.float32), np.ones(3, np.float32)
    given = {"input": x, "grad": one}
    inputs = [given[source.kind] for source in pair.sources]
    ((found,), _) = run_program(pair.backward, inputs, {})
    np.testing.assert_array_equal(found, (2 * 10 + x) * 2 * x)


def test_it_is_nothing_where_no_gradient_is_taken() -> None:
    program = hooked()
    x = np.array([1, 2, 3], np.float32)
    ((out,), _) = run_program(program, [x], {})
    np.testing.assert_array_equal(out, 2 * x * x)
    assert Dce().run(program)
    assert [op.type for op in program.all_ops()] == ["elementwise_mul", "scale"]


def test_its_text_parses_back() -> None:
    text = to_text(hooked())
    assert to_text(parse_text(text)) == text
