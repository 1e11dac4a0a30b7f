"""fold_batch_norm: the result stays but for rounding; where it may not fold, nothing changes."""

from typing import Any

import numpy as np
import pytest

from wherry.ir.interp import run_program
from wherry.ir.passes import Dce, FoldBatchNorm, FoldConstants, prepare_for_codegen, run_passes
from wherry.ir.program import Program
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify

NORM = """{Y}: float32[{shape}], MeanOut=mo: float32[3], VarianceOut=vo: float32[3],
  SavedMean=sm: float32[3], SavedVariance=sv: float32[3] = batch_norm(X={X}, {weights}Mean=mean,
  Variance=var, is_test=true, epsilon=0.01{more})"""
PERSIST = """
  persist filter: float32[3, 2, 3, 3]
  persist matrix: float32[4, 3]
  persist bias: float32[3]
  persist column: float32[3, 1, 1]
  persist scale: float32[3]
  persist shift: float32[3]
  persist mean: float32[3]
  persist var: float32[3]
"""


def program_of(body: str, args: str, results: str = "out") -> Program:
    program = parse_text(f"program({args}) {{{PERSIST}{body}\n yield {results}\n}}")
    rng = np.random.default_rng(3)
    for var in program.persistables:
        value = rng.uniform(0.5, 2.0, [int(dim) for dim in var.shape])
        program.values[var.name] = value.astype(np.float32)
    verify(program)
    return program


def norm(x: str, shape: str, *, weights: bool = True, more: str = "") -> str:
    given = "Scale=scale, Bias=shift, " if weights else ""
    return NORM.format(Y="Y=out", X=x, shape=shape, weights=given, more=more)


def check(program: Program, *inputs: Any) -> Program:
    """The folded Program: no batch norm is left, and the outputs are the same."""
    folded = program.clone()
    assert FoldBatchNorm().run(folded)
    verify(folded)
    run_passes(folded, [FoldConstants(inference=True), Dce()])
    verify(folded)
    assert all(op.type != "batch_norm" for op in folded.all_ops())
    expected, _ = run_program(program, inputs)
    found, _ = run_program(folded, inputs)
    assert [var.name for var in folded.outputs] == [var.name for var in program.outputs]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    return folded


IMAGE = "x: float32[B, 2, 5, 5]"
CONV = "\n  c: float32[B, 3, 5, 5] = conv2d(Input=x, Filter=filter, paddings=[1, 1])\n  "
SHAPE = "B, 3, 5, 5"


def image() -> Any:
    return np.random.default_rng(0).normal(size=(2, 2, 5, 5)).astype(np.float32)


@pytest.mark.parametrize("weights", [True, False])
def test_behind_a_convolution(weights: bool) -> None:
    folded = check(program_of(CONV + norm("c", SHAPE, weights=weights), IMAGE), image())
    assert [op.type for op in folded.global_block.ops] == ["conv2d", "elementwise_add"]


@pytest.mark.parametrize("bias", ["Y=bias, axis=1", "Y=column"])
def test_behind_a_convolution_with_a_bias(bias: str) -> None:
    add = f"d: float32[{SHAPE}] = elementwise_add(X=c, {bias})\n  "
    folded = check(program_of(CONV + add + norm("d", SHAPE), IMAGE), image())
    assert [op.type for op in folded.global_block.ops] == ["conv2d", "elementwise_add"]
    ready = prepare_for_codegen(folded, inference=True)
    assert not {"filter", "bias", "column", "mean"} & set(ready.values)


@pytest.mark.parametrize("shape", ["B, 3, 25", "B, 3, 5, 1, 5"])
def test_behind_a_view_that_keeps_the_channels(shape: str) -> None:
    """As that of a convolution along one axis is."""
    sizes = shape.replace("B", "-1")
    view = f"""d: float32[{SHAPE}] = elementwise_add(X=c, Y=bias, axis=1)
      v: float32[{shape}] = reshape2(X=d, shape=[{sizes}])
      """
    folded = check(program_of(CONV + view + norm("v", shape), IMAGE), image())
    types = [op.type for op in folded.global_block.ops]
    assert types == ["conv2d", "elementwise_add", "reshape2"]


def test_behind_a_linear_layer() -> None:
    body = """
      h: float32[B, 3] = matmul_v2(X=x, Y=matrix)
      d: float32[B, 3] = elementwise_add(X=h, Y=bias)
      """
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    folded = check(program_of(body + norm("d", "B, 3"), "x: float32[B, 4]"), x)
    assert [op.type for op in folded.global_block.ops] == ["matmul_v2", "elementwise_add"]


@pytest.mark.parametrize(
    ("body", "results"),
    [
        # The convolution's result is read elsewhere too.
        (CONV + norm("c", SHAPE), "out, c"),
        # The batch's own statistics.
        (CONV + norm("c", SHAPE, more=", trainable_statistics=true"), "out"),
        # Statistics that are read.
        (CONV + norm("c", SHAPE), "out, mo"),
        # Nothing in front of it.
        (norm("y", SHAPE), "out"),
        # A bias along another axis.
        (CONV + f"d: float32[{SHAPE}] = elementwise_add(X=c, Y=row)\n  " + norm("d", SHAPE), "out"),
        # A view that puts the channels elsewhere.
        (
            CONV
            + "v: float32[B, 25, 1, 3] = reshape2(X=c, shape=[-1, 25, 1, 3])\n  "
            + norm("v", "B, 25, 1, 3").replace("epsilon", 'data_layout="NHWC", epsilon'),
            "out",
        ),
        # Weights that are not known.
        (CONV.replace("Filter=filter", "Filter=w") + norm("c", SHAPE), "out"),
    ],
)
def test_where_it_stays(body: str, results: str) -> None:
    args = f"{IMAGE}, y: float32[{SHAPE}], row: float32[5], w: float32[3, 2, 3, 3]"
    program = program_of(body, args, results)
    before = to_text(program)
    assert not FoldBatchNorm().run(program)
    assert to_text(program) == before


def test_statistics_that_are_assigned_are_no_constants() -> None:
    body = CONV + norm("c", SHAPE) + "\n  assign_persistable(X=mo, Target=mean)"
    program = program_of(body, IMAGE)
    assert not FoldBatchNorm().run(program)
