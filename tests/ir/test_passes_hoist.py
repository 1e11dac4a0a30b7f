"""split_prepared: what depends on persistables alone goes into a Program of its own."""

import numpy as np
import pytest

from wherry.ir.interp import run_program
from wherry.ir.passes import prepare_in_parts, split_prepared
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify

PERSIST = """
  persist w: float32[64, 128]
  persist v: float32[64, 128]
  persist small: float32[4]
  persist state: int64[2]"""


def split(text: str) -> tuple[str | None, str]:
    program = parse_text(text)
    verify(program)
    before = to_text(program)
    prepare, main = split_prepared(program)
    assert to_text(program) == before
    for part in (prepare, main):
        if part is not None:
            verify(part)
    return prepare and to_text(prepare), to_text(main)


def check(body: str, prepare: str, main: str, result: str = "out") -> None:
    """The halves are as given; the persistables of each are those that it reads."""
    text = f"program(x: float32[N, 64]) {{{PERSIST}\n{body}\n yield {result}\n}}"
    found = split(text)
    assert found == (to_text(parse_text(prepare)), to_text(parse_text(main)))


def stays(body: str, result: str = "out") -> None:
    text = f"program(x: float32[N, 64], k: bool[]) {{{PERSIST}\n{body}\n yield {result}\n}}"
    assert split(text) == (None, to_text(parse_text(text)))


def test_a_chain_is_computed_apart() -> None:
    check(
        """
        s: float32[64, 128] = elementwise_add(X=w, Y=v)
        t: float32[64, 128] = tanh(X=s)
        out: float32[N, 128] = matmul_v2(X=x, Y=t)""",
        """program() {
        persist w: float32[64, 128]
        persist v: float32[64, 128]
        s: float32[64, 128] = elementwise_add(X=w, Y=v)
        t: float32[64, 128] = tanh(X=s)
        yield t
        }""",
        """program(x: float32[N, 64]) {
        persist t: float32[64, 128]
        out: float32[N, 128] = matmul_v2(X=x, Y=t)
        yield out
        }""",
    )


def test_a_view_stays_where_it_is_read() -> None:
    """Else it would be a copy."""
    check(
        """
        c: float32[] = fill_constant(shape=[], value=2.0, dtype=float32)
        t: float32[64, 128] = elementwise_mul(X=w, Y=c)
        r: float32[128, 64] = reshape2(X=t, shape=[128, 64])
        q: float32[128, 64] = reshape2(X=v, shape=[128, 64])
        p: float32[N, 128] = matmul_v2(X=x, Y=r, trans_y=true)
        o: float32[N, 128] = matmul_v2(X=x, Y=q, trans_y=true)
        out: float32[N, 128] = elementwise_add(X=p, Y=o)""",
        """program() {
        persist w: float32[64, 128]
        c: float32[] = fill_constant(shape=[], value=2.0, dtype=float32)
        t: float32[64, 128] = elementwise_mul(X=w, Y=c)
        yield t
        }""",
        """program(x: float32[N, 64]) {
        persist v: float32[64, 128]
        persist t: float32[64, 128]
        r: float32[128, 64] = reshape2(X=t, shape=[128, 64])
        q: float32[128, 64] = reshape2(X=v, shape=[128, 64])
        p: float32[N, 128] = matmul_v2(X=x, Y=r, trans_y=true)
        o: float32[N, 128] = matmul_v2(X=x, Y=q, trans_y=true)
        out: float32[N, 128] = elementwise_add(X=p, Y=o)
        yield out
        }""",
    )


def test_a_result_keeps_its_name_and_effects_their_place() -> None:
    check(
        """
        s: float32[64, 128] = tanh(X=w)
        p: float32[64, 128] = print(In=s, message="s")
        out: float32[64, 128] = exp(X=s)""",
        """program() {
        persist w: float32[64, 128]
        s: float32[64, 128] = tanh(X=w)
        yield s
        }""",
        """program(x: float32[N, 64]) {
        persist s: float32[64, 128]
        p: float32[64, 128] = print(In=s, message="s")
        out: float32[64, 128] = exp(X=s)
        yield out
        }""",
    )


@pytest.mark.parametrize(
    "body",
    [
        # Too little to be worth a second function.
        """
        t: float32[4] = tanh(X=small)
        out: float32[4] = print(In=t, message="t")""",
        # It depends on an input.
        """
        i: float32[] = cast(X=k, out_dtype=float32)
        s: float32[64, 128] = elementwise_add(X=w, Y=i)
        out: float32[64, 128] = elementwise_mul(X=s, Y=v)""",
        # The persistable is another one after the call.
        """
        t: float32[64, 128] = tanh(X=w)
        out: float32[N, 128] = matmul_v2(X=x, Y=t)
        assign_persistable(X=t, Target=w)""",
        # Random numbers are drawn in each call.
        """
        b: int64[64, 128] = rng_bits(State=state, shape=[64, 128], dtype=int64)
        f: float32[64, 128] = cast(X=b, out_dtype=float32)
        out: float32[N, 128] = matmul_v2(X=x, Y=f)""",
        # Much more memory than it is made of.
        """
        e: float32[200000, 4] = expand_v2(X=small, shape=[200000, 4])
        out: float32[200000, 4] = print(In=e, message="e")""",
        # A constant is code.
        """
        c: float32[64, 128] = fill_constant(shape=[64, 128], value=2.0, dtype=float32)
        out: float32[N, 128] = matmul_v2(X=x, Y=c)""",
    ],
)
def test_what_stays(body: str) -> None:
    stays(body)


def test_a_branch_stays_and_what_it_takes_in_does_not() -> None:
    text = """program(k: bool[]) {
      persist w: float32[64, 128]
      t: float32[64, 128] = tanh(X=w)
      out: float32[64, 128] = cond(Cond=k, X=[t], true_block=block(a: float32[64, 128]) {
        b: float32[64, 128] = exp(X=a)
        yield b
      }, false_block=block(d: float32[64, 128]) {
        yield d
      })
      yield out
    }"""
    prepare, main = split(text)
    assert prepare is not None
    assert "tanh" in prepare
    assert "exp" not in prepare
    assert "tanh" not in main
    assert "exp" in main


def test_batch_norm_and_packing_are_prepared() -> None:
    text = """program(x: float32[B, 16, 4, 4]) {
      persist f: float32[32, 16, 3, 3]
      persist scale: float32[32]
      persist shift: float32[32]
      persist mean: float32[32]
      persist var: float32[32]
      c: float32[B, 32, 4, 4] = conv2d(Input=x, Filter=f, paddings=[1, 1])
      Y=y: float32[B, 32, 4, 4], MeanOut=mo: float32[32], VarianceOut=vo: float32[32],
        SavedMean=sm: float32[32], SavedVariance=sv: float32[32] = batch_norm(X=c, Scale=scale,
        Bias=shift, Mean=mean, Variance=var, is_test=true)
      out: float32[B, 32, 4, 4] = relu(X=y)
      yield out
    }"""
    program = parse_text(text)
    prepare, main = prepare_in_parts(program)
    assert prepare is not None
    verify(prepare)
    verify(main)
    assert any(op.type == "pack_filter" for op in prepare.all_ops())
    assert not {"pack_filter", "rsqrt", "sqrt"} & {op.type for op in main.all_ops()}
    rng = np.random.default_rng(0)
    arrays = {
        v.name: rng.uniform(0.5, 2, [int(d) for d in v.shape]).astype(np.float32)
        for v in program.persistables
    }
    x = rng.normal(size=(2, 16, 4, 4)).astype(np.float32)
    expected, _ = run_program(program, [x], arrays)
    made, _ = run_program(prepare, [], arrays)
    names = [var.name for var in prepare.outputs]
    found, _ = run_program(main, [x], dict(zip(names, made, strict=True)))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
