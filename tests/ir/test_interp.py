"""The interpreter: binding of sizes, guards, control flow, effects, errors with the user's line."""

import numpy as np
import pytest

from wherry.ir.interp import run_program
from wherry.ir.text import parse_text
from wherry.ir.verify import verify
from wherry.schema.errors import AssertError, InputError, RunError


def run(text: str, *inputs: object, **persistables: object):  # type: ignore[no-untyped-def]
    program = parse_text(text)
    verify(program)
    arrays = [np.asarray(x) for x in inputs]
    return run_program(program, arrays, {k: np.asarray(v) for k, v in persistables.items()})


LINEAR = """
program(x: float32[B, 2]) {
  persist w: float32[2, 2]
  persist b: float32[2] = [1.0, -1.0]
  h: float32[B, 2] = matmul_v2(X=x, Y=w)
  out: float32[B, 2] = elementwise_add(X=h, Y=b)
  yield out
}"""


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_sizes_come_from_the_inputs(batch: int) -> None:
    x = np.arange(batch * 2, dtype=np.float32).reshape(batch, 2)
    w = np.float32([[1, 2], [3, 4]])
    outputs, assigned = run(LINEAR, x, w=w)
    np.testing.assert_allclose(outputs[0], x @ w + np.float32([1, -1]))
    assert assigned == {}


def test_given_persistables_win_over_the_programs_values() -> None:
    outputs, _ = run(LINEAR, np.zeros((1, 2), np.float32), w=np.eye(2, dtype=np.float32),
                     b=np.float32([5, 6]))  # fmt: skip
    assert outputs[0].tolist() == [[5, 6]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "needs 1 inputs (x), got 0"),
        ([np.zeros((2, 3), np.float32)], "input 'x' needs float32[B, 2], got shape [2, 3]"),
        ([np.zeros(2, np.float32)], "input 'x' needs float32[B, 2], got shape [2]"),
        ([np.zeros((2, 2))], "input 'x' needs dtype float32, got float64"),
    ],
)
def test_inputs_that_do_not_fit(inputs: list[object], message: str) -> None:
    with pytest.raises(InputError) as error:
        run(LINEAR, *inputs, w=np.eye(2, dtype=np.float32))
    assert message in str(error.value)


def test_persistables_that_do_not_fit() -> None:
    x = np.zeros((1, 2), np.float32)
    with pytest.raises(InputError, match=r"persistable 'w' .* has no value"):
        run(LINEAR, x)
    with pytest.raises(InputError, match="persistable 'w' needs"):
        run(LINEAR, x, w=np.zeros((3, 2), np.float32))


def test_one_symbol_is_one_size_and_guards_are_checked() -> None:
    text = """
    program(x: float32[B, 2], y: float32[B, 2], z: float32[C, 2]) {
      guard <B> == <C> "needs as many rows in z as in x" @ net.py:5 "x + z"
      yield x
    }"""
    a, b = np.zeros((2, 2), np.float32), np.zeros((3, 2), np.float32)
    assert run(text, a, a, a)[0][0].shape == (2, 2)
    with pytest.raises(InputError, match=r"input 'y' needs float32\[B, 2\], got shape \[3, 2\]"):
        run(text, a, b, a)
    with pytest.raises(InputError) as error:
        run(text, a, a, b)
    assert "needs as many rows in z as in x" in str(error.value)
    assert "B = 2, C = 3" in str(error.value) and "net.py:5: x + z" in str(error.value)


COND = """
program(c: bool[], x: float32[N]) {
  y: float32[N] = cond(Cond=c, X=x, true_block=block(a: float32[N]) {
    b: float32[N] = scale(X=a, scale=2.0)
    yield b
  }, false_block=block(d: float32[N]) {
    yield d
  })
  yield y
}"""


def test_cond_runs_one_branch() -> None:
    x = np.float32([1, 2])
    assert run(COND, True, x)[0][0].tolist() == [2, 4]
    assert run(COND, False, x)[0][0].tolist() == [1, 2]


def test_while_runs_until_its_condition_fails() -> None:
    text = """
    program(zero: int64[], n: int64[], x: float32[N]) {
      go: bool[] = less_than(X=zero, Y=n)
      [i: int64[], y: float32[N]] = while(Condition=go, X=[zero, x], Extra=n, block=block(
          a: int64[], b: float32[N], m: int64[]) {
        a@1: int64[] = scale(X=a, bias=1.0)
        b@1: float32[N] = elementwise_add(X=b, Y=b)
        more: bool[] = less_than(X=a@1, Y=m)
        yield more, a@1, b@1
      })
      yield i, y
    }"""
    outputs, _ = run(text, np.int64(0), np.int64(3), np.float32([1, 3]))
    assert outputs[0] == 3 and outputs[1].tolist() == [8, 24]
    outputs, _ = run(text, np.int64(0), np.int64(0), np.float32([1, 3]))
    assert outputs[0] == 0 and outputs[1].tolist() == [1, 3]


def test_assigned_persistables_are_handed_back() -> None:
    text = """
    program(x: float32[2]) {
      persist total: float32[2]
      new: float32[2] = elementwise_add(X=x, Y=total)
      assign_persistable(X=new, Target=total)
      yield x
    }"""
    total = np.float32([1, 1])
    _, assigned = run(text, np.float32([1, 2]), total=total)
    assert assigned["total"].tolist() == [2, 3] and total.tolist() == [1, 1]


def test_fusion_runs_its_block() -> None:
    text = """
    program(x: float32[N, 2]) {
      s: float32[N] = fusion(X=x, kind="reduce", block=block(a: float32[N, 2]) {
        b: float32[N, 2] = relu(X=a)
        c: float32[N] = reduce_sum(X=b, dim=[1])
        yield c
      })
      yield s
    }"""
    assert run(text, np.float32([[1, -1], [2, 3]]))[0][0].tolist() == [1, 5]


def test_print_and_assert(capsys: pytest.CaptureFixture[str]) -> None:
    text = """
    program(ok: bool[], x: float32[2]) {
      assert(Cond=ok, message="x must be positive") @ net.py:4 "assert (x > 0).all()"
      y: float32[2] = print(In=x, message="x is ")
      yield y
    }"""
    assert run(text, True, np.float32([1, 2]))[0][0].tolist() == [1, 2]
    assert capsys.readouterr().out == "x is \n[1. 2.]\n"
    with pytest.raises(AssertError) as error:
        run(text, False, np.float32([1, 2]))
    assert "x must be positive" in str(error.value) and "net.py:4" in str(error.value)


def test_an_error_in_the_data_names_the_line() -> None:
    text = """
    program(x: int64[2]) {
      y: int64[2] = elementwise_floordiv(X=x, Y=x) @ net.py:9 "x // x"
      yield y
    }"""
    with pytest.raises(RunError, match=r"division by zero[\s\S]*net.py:9: x // x"):
        run(text, np.int64([1, 0]))


def test_dims_in_attributes_get_their_values() -> None:
    text = """
    program(x: float32[B, 2]) {
      y: float32[2*B + 1] = fill_constant(shape=[<2*B + 1>], value=1.5, dtype=float32)
      yield y
    }"""
    assert run(text, np.zeros((2, 2), np.float32))[0][0].tolist() == [1.5] * 5
