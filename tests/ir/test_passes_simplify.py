"""The passes `fold_constants` and `simplify` as text in, text out."""

import numpy as np
import pytest
from passes_harness import body, check

from wherry.ir.passes import (
    Dce,
    FoldConstants,
    Simplify,
)
from wherry.ir.text import equal, parse_text
from wherry.ir.verify import verify


def test_constants_are_folded_and_uniform_ones_stay_small() -> None:
    check(
        FoldConstants(),
        body("""
        a: float32[4] = fill_constant(shape=[4], value=2.0, dtype=float32)
        b: float32[4] = scale(X=a, scale=3.0)
        r: int64[3] = range(start=0, end=3, step=1, dtype=int64)
        s: int64[3] = scale(X=r, scale=2.0)
        out: float32[N, 4] = elementwise_add(X=x, Y=b)
        last: int64[3] = elementwise_add(X=s, Y=i)""", args="x: float32[N, 4], i: int64[3]",
        result="out, last, r"),
        """
        program(x: float32[N, 4], i: int64[3]) {
          persist s.folded: int64[3] = [0, 2, 4]
          a: float32[4] = fill_constant(shape=[4], value=2.0, dtype=float32)
          b: float32[4] = fill_constant(shape=[4], value=6.0, dtype=float32)
          r: int64[3] = range(end=3)
          out: float32[N, 4] = elementwise_add(X=x, Y=b)
          last: int64[3] = elementwise_add(X=s.folded, Y=i)
          yield out, last, r
        }""",
    )  # fmt: skip


def test_persistables_are_constants_for_inference_only() -> None:
    text = """
    program(x: float32[2]) {
      persist w: float32[2] = [1.0, 4.0]
      persist count: float32[2] = [1.0, 2.0]
      s: float32[2] = sqrt(X=w)
      t: float32[2] = exp(X=count)
      a: float32[2] = elementwise_add(X=s, Y=t)
      assign_persistable(X=a, Target=count)
      yield a
    }"""
    check(FoldConstants(), text, text)
    check(
        FoldConstants(inference=True),
        text,
        """
        program(x: float32[2]) {
          persist w: float32[2] = [1.0, 4.0]
          persist count: float32[2] = [1.0, 2.0]
          persist s.folded: float32[2] = [1.0, 2.0]
          t: float32[2] = exp(X=count)
          a: float32[2] = elementwise_add(X=s.folded, Y=t)
          assign_persistable(X=a, Target=count)
          yield a
        }""",
    )


@pytest.mark.parametrize(
    "lines",
    [
        # Larger than what it is computed from: code is smaller than data.
        "a: int64[500000] = range(start=0, end=500000, step=1, dtype=int64)",
        # The size is not known.
        "a: float32[N] = fill_constant(shape=[<N>], value=1.0, dtype=float32)\n"
        "b: float32[N] = exp(X=a)",
        # An error in the data is the run's, with its line.
        "z: int64[] = fill_constant(shape=[], value=0, dtype=int64)\n"
        "a: int64[] = elementwise_floordiv(X=z, Y=z)",
    ],
)
def test_what_is_not_folded(lines: str) -> None:
    result = lines.splitlines()[-1].split(":")[0]
    check(FoldConstants(), body(lines, result=result), body(lines, result=result))


def test_a_sub_block_gets_no_persistable() -> None:
    text = """
    program(c: bool[], x: int64[3]) {
      out: int64[3] = cond(Cond=c, X=x, true_block=block(a: int64[3]) {
        r: int64[3] = range(start=0, end=3, step=1, dtype=int64)
        yield r
      }, false_block=block(b: int64[3]) {
        yield b
      })
      yield out
    }"""
    check(FoldConstants(), text, text)


def test_the_sign_of_zero_and_nan_survive_folding() -> None:
    program = parse_text(body("""
        a: float32[2] = fill_constant(shape=[2], value=0.0, dtype=float32)
        n: float32[2] = scale(X=a, scale=-1.0, bias=-0.0)
        q: float32[2] = elementwise_div(X=a, Y=a)""", result="n, q"))  # fmt: skip
    FoldConstants().run(program)
    n, q = (var.op for var in program.outputs)
    assert n is not None and q is not None
    assert n.type == q.type == "fill_constant"
    assert np.signbit(n.attrs["value"]) and np.isnan(q.attrs["value"])


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a: float32[N, 4] = elementwise_mul(X=x, Y=one)", "x"),
        ("a: float32[N, 4] = elementwise_mul(X=one, Y=x)", "x"),
        ("a: float32[N, 4] = elementwise_div(X=x, Y=one)", "x"),
        ("a: float32[N, 4] = elementwise_pow(X=x, Y=one)", "x"),
        ("a: float32[N, 4] = elementwise_sub(X=x, Y=zero)", "x"),
        ("a: float32[N, 4] = elementwise_add(X=x, Y=minus_zero)", "x"),
        ("a: int64[N, 4] = elementwise_add(X=i, Y=no)", "i"),
        ("a: float32[N, 4] = scale(X=x, bias=-0.0)", "x"),
        ("a: int64[N, 4] = scale(X=i)", "i"),
        ("a: float32[N, 4] = cast(X=x, out_dtype=float32)", "x"),
        ("a: float32[N, 4] = assign(X=x)", "x"),
        ("t: float32[4, N] = transpose2(X=x, axis=[1, 0])\n"
         "a: float32[N, 4] = transpose2(X=t, axis=[1, 0])", "x"),
        ("a: float32[N, 4] = transpose2(X=x, axis=[0, 1])", "x"),
        ("t: float32[4*N] = reshape2(X=x, shape=[<4*N>])\n"
         "a: float32[N, 4] = reshape2(X=t, shape=[<N>, 4])", "x"),
        ("t: float32[N, 1, 4] = unsqueeze2(X=x, axes=[1])\n"
         "a: float32[N, 4] = squeeze2(X=t, axes=[1])", "x"),
        ("a: float32[N, 4] = expand_v2(X=x, shape=[<N>, 4])", "x"),
        ("a: float32[N, 4] = concat(X=x, axis=0)", "x"),
        ("n: bool[N, 4] = logical_not(X=b)\na: bool[N, 4] = logical_not(X=n)", "b"),
    ],
)  # fmt: skip
def test_simplify_finds_its_formula(line: str, value: str) -> None:
    program = parse_text(simplified(line, "a"))
    verify(program)
    assert Simplify().run(program)
    verify(program)
    Dce().run(program)
    assert equal(program, parse_text(simplified("", value)))


def simplified(line: str, value: str) -> str:
    constants = """
      one: float32[] = fill_constant(shape=[], value=1.0, dtype=float32)
      zero: float32[] = fill_constant(shape=[], value=0.0, dtype=float32)
      minus_zero: float32[] = fill_constant(shape=[], value=-0.0, dtype=float32)
      no: int64[] = fill_constant(shape=[], value=0, dtype=int64)"""
    dtype = {"x": "float32", "i": "int64", "b": "bool"}.get(value) or line.split("a: ")[1][:7]
    dtype = dtype.split("[")[0]
    op = "exp" if dtype == "float32" else "logical_not"
    out = {"float32": "float32", "int64": "bool", "bool": "bool"}[dtype]
    return f"""
    program(x: float32[N, 4], i: int64[N, 4], b: bool[N, 4]) {{
      {constants if line else ""}
      {line}
      out: {out}[N, 4] = {op}(X={value})
      yield out
    }}"""


@pytest.mark.parametrize(
    "line",
    [
        # -0 + 0 is 0; x - (-0) too.
        "out: float32[N, 4] = elementwise_add(X=x, Y=zero)",
        "out: float32[N, 4] = elementwise_sub(X=x, Y=minus_zero)",
        "out: float32[N, 4] = scale(X=x)",
        # It broadcasts x.
        "out: float32[2, N, 4] = elementwise_mul(X=x, Y=ones)",
        # The Program's result keeps its name.
        "out: float32[N, 4] = assign(X=x)",
        # NaN and inf times 0 are NaN.
        "out: float32[N, 4] = elementwise_mul(X=x, Y=zero)",
        "out: float32[N, 4] = elementwise_sub(X=x, Y=x)",
    ],
)
def test_simplify_leaves_what_is_not_exact(line: str) -> None:
    text = f"""
    program(x: float32[N, 4]) {{
      zero: float32[] = fill_constant(shape=[], value=0.0, dtype=float32)
      minus_zero: float32[] = fill_constant(shape=[], value=-0.0, dtype=float32)
      ones: float32[2, 1, 1] = fill_constant(shape=[2, 1, 1], value=1.0, dtype=float32)
      {line}
      yield out
    }}"""
    check(Simplify(), text, text)
