"""The passes cse, dce, decompose, drop_broadcasts and infer_shape as text in, text out."""

import pytest
from passes_harness import body, check

from wherry.ir.passes import (
    Cse,
    Dce,
    Decompose,
    DropBroadcasts,
    InferShape,
)
from wherry.ir.text import parse_text
from wherry.ir.verify import verify
from wherry.schema.errors import OpError


def test_cse_keeps_the_first_of_two() -> None:
    check(
        Cse(),
        body("""
        a: float32[N, 4] = elementwise_add(X=x, Y=y)
        b: float32[N, 4] = elementwise_add(X=x, Y=y, axis=-1)
        c: float32[N, 4] = elementwise_add(X=y, Y=x)
        d: float32[N, 4] = elementwise_mul(X=a, Y=b)
        out: float32[N, 4] = elementwise_mul(X=d, Y=c)"""),
        body("""
        a: float32[N, 4] = elementwise_add(X=x, Y=y)
        c: float32[N, 4] = elementwise_add(X=y, Y=x)
        d: float32[N, 4] = elementwise_mul(X=a, Y=a)
        out: float32[N, 4] = elementwise_mul(X=d, Y=c)"""),
    )


def test_cse_goes_into_sub_blocks_and_keeps_effects() -> None:
    before = """
    program(c: bool[], x: float32[2]) {
      p: float32[2] = print(In=x)
      q: float32[2] = print(In=x)
      out: float32[2] = cond(Cond=c, X=p, true_block=block(a: float32[2]) {
        b: float32[2] = exp(X=a)
        d: float32[2] = exp(X=a)
        e: float32[2] = elementwise_mul(X=b, Y=d)
        yield e
      }, false_block=block(f: float32[2]) {
        yield f
      })
      yield out
    }"""
    after = before.replace("        d: float32[2] = exp(X=a)\n", "").replace("Y=d", "Y=b")
    check(Cse(), before, after)


def test_cse_keeps_two_results() -> None:
    same = body("""
        a: float32[N, 4] = exp(X=x)
        b: float32[N, 4] = exp(X=x)""", result="a, b")  # fmt: skip
    check(Cse(), same, same)


def test_dce_drops_what_nothing_needs() -> None:
    check(
        Dce(),
        """
        program(x: float32[2]) {
          persist w: float32[2]
          persist unused: float32[3]
          a: float32[2] = exp(X=x)
          b: float32[2] = elementwise_add(X=a, Y=w)
          c: float32[2] = print(In=a)
          new: float32[2] = elementwise_mul(X=w, Y=x)
          assign_persistable(X=new, Target=w)
          yield x
        }""",
        """
        program(x: float32[2]) {
          persist w: float32[2]
          a: float32[2] = exp(X=x)
          c: float32[2] = print(In=a)
          new: float32[2] = elementwise_mul(X=w, Y=x)
          assign_persistable(X=new, Target=w)
          yield x
        }""",
    )


def test_dce_trims_the_inputs_and_outputs_of_a_cond() -> None:
    check(
        Dce(),
        """
        program(c: bool[], x: float32[2], y: float32[2]) {
          e: float32[2] = exp(X=y)
          [u: float32[2], v: float32[2]] = cond(Cond=c, X=[x, e], true_block=block(
              a: float32[2], b: float32[2]) {
            g: float32[2] = exp(X=b)
            yield a, g
          }, false_block=block(d: float32[2], f: float32[2]) {
            yield d, f
          })
          yield u
        }""",
        """
        program(c: bool[], x: float32[2], y: float32[2]) {
          u: float32[2] = cond(Cond=c, X=x, true_block=block(a: float32[2]) {
            yield a
          }, false_block=block(d: float32[2]) {
            yield d
          })
          yield u
        }""",
    )


def test_dce_trims_the_carries_of_a_loop() -> None:
    """`u` only feeds itself and is all that reads `e`; the condition reads `a`."""
    check(
        Dce(),
        """
        program(go: bool[], k: int64[], x: float32[2], y: float32[2], e: float32[2], n: int64[]) {
          [i: int64[], s: float32[2], t: float32[2]] = while(Condition=go, X=[k, x, y],
              Extra=[e, n], block=block(a: int64[], b: float32[2],
              u: float32[2], f: float32[2], m: int64[]) {
            a@1: int64[] = scale(X=a, bias=1.0)
            b@1: float32[2] = exp(X=b)
            u@1: float32[2] = elementwise_add(X=u, Y=f)
            more: bool[] = less_than(X=a@1, Y=m)
            yield more, a@1, b@1, u@1
          })
          yield s
        }""",
        """
        program(go: bool[], k: int64[], x: float32[2], y: float32[2], e: float32[2], n: int64[]) {
          [i: int64[], s: float32[2]] = while(Condition=go, X=[k, x], Extra=n,
              block=block(a: int64[], b: float32[2], m: int64[]) {
            a@1: int64[] = scale(X=a, bias=1.0)
            b@1: float32[2] = exp(X=b)
            more: bool[] = less_than(X=a@1, Y=m)
            yield more, a@1, b@1
          })
          yield s
        }""",
    )


def test_dce_forgets_the_blocks_of_dead_ops() -> None:
    program = parse_text("""
    program(c: bool[], x: float32[2]) {
      u: float32[2] = cond(Cond=c, X=x, true_block=block(a: float32[2]) {
        yield a
      }, false_block=block(b: float32[2]) {
        yield b
      })
      yield x
    }""")
    assert Dce().run(program)
    assert len(program.blocks) == 1 and program.names == {"c", "x"}


def test_decompose_keeps_the_name_and_the_line() -> None:
    check(
        Decompose(),
        """
        program(x: float32[N, 4]) {
          s: float32[N, 4] = softmax(X=x) @ net.py:3 "f(x)"
          yield s
        }""",
        """
        program(x: float32[N, 4]) {
          reduce_max_0.tmp_0: float32[N, 1] = reduce_max(X=x, dim=[1], keep_dim=true) @ net.py:3 "f(x)"
          elementwise_sub_0.tmp_0: float32[N, 4] = elementwise_sub(X=x, Y=reduce_max_0.tmp_0) @ net.py:3 "f(x)"
          exp_0.tmp_0: float32[N, 4] = exp(X=elementwise_sub_0.tmp_0) @ net.py:3 "f(x)"
          reduce_sum_0.tmp_0: float32[N, 1] = reduce_sum(X=exp_0.tmp_0, dim=[1], keep_dim=true) @ net.py:3 "f(x)"
          reciprocal_0.tmp_0: float32[N, 1] = reciprocal(X=reduce_sum_0.tmp_0) @ net.py:3 "f(x)"
          s: float32[N, 4] = elementwise_mul(X=exp_0.tmp_0, Y=reciprocal_0.tmp_0) @ net.py:3 "f(x)"
          yield s
        }""",  # noqa: E501
    )


def test_decompose_aligns_paddles_axis() -> None:
    args = "x: float32[N, 3, 4], y: float32[3]"
    check(
        Decompose(),
        body("out: float32[N, 3, 4] = elementwise_add(X=x, Y=y, axis=1)", args),
        body("""
        reshape2_0.tmp_0: float32[3, 1] = reshape2(X=y, shape=[3, 1])
        out: float32[N, 3, 4] = elementwise_add(X=x, Y=reshape2_0.tmp_0)""", args),
    )  # fmt: skip


def test_a_pointwise_op_reads_the_small_tensor() -> None:
    check(
        DropBroadcasts(),
        body("""
        e: float32[N, 4] = expand_v2(X=row, shape=[<N>, 4])
        a: float32[N, 4] = elementwise_mul(X=x, Y=e)
        c: float32[N, 4] = fill_constant(shape=[<N>, 4], value=2.0)
        out: float32[N, 4] = elementwise_add(X=c, Y=a)""",
        args="x: float32[N, 4], row: float32[4]"),
        body("""
        e: float32[N, 4] = expand_v2(X=row, shape=[<N>, 4])
        a: float32[N, 4] = elementwise_mul(X=x, Y=row)
        c: float32[N, 4] = fill_constant(shape=[<N>, 4], value=2.0)
        fill_constant_0.tmp_0: float32[] = fill_constant(shape=[], value=2.0)
        out: float32[N, 4] = elementwise_add(X=fill_constant_0.tmp_0, Y=a)""",
        args="x: float32[N, 4], row: float32[4]"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        # Nothing else has the full shape.
        "e: float32[N, 4] = expand_v2(X=row, shape=[<N>, 4])\nout: float32[N, 4] = relu(X=e)",
        "e: float32[N, 4] = expand_v2(X=row, shape=[<N>, 4])\n"
        "out: float32[N, 4] = elementwise_mul(X=e, Y=e)",
        # No pointwise op.
        "e: float32[N, 4] = expand_v2(X=row, shape=[<N>, 4])\n"
        "out: float32[2*N, 4] = concat(X=[e, x], axis=0)",
    ],
)
def test_where_the_expansion_stays(lines: str) -> None:
    text = body(lines, args="x: float32[N, 4], row: float32[4]")
    check(DropBroadcasts(), text, text)


def test_infer_shape_follows_a_change_of_the_inputs() -> None:
    program = parse_text("""
    program(c: bool[], x: float32[2, 4]) {
      persist w: float32[4, 3]
      h: float32[2, 3] = matmul_v2(X=x, Y=w)
      z: float32[2, 3] = cond(Cond=c, X=h, true_block=block(a: float32[2, 3]) {
        b: float32[2, 3] = exp(X=a)
        yield b
      }, false_block=block(d: float32[2, 3]) {
        yield d
      })
      yield z
    }""")
    assert not InferShape().run(program)
    other = parse_text("program(x: float32[B, 4]) { yield x }").inputs[0]
    program.inputs[1].shape = other.shape
    assert InferShape().run(program)
    verify(program)
    assert str(program.outputs[0].type) == "float32[B, 3]"
    program.inputs[1].shape = (2, 5)
    with pytest.raises(OpError, match="matmul"):
        InferShape().run(program)
