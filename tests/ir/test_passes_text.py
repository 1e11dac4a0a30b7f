"""Each pass as text in, text out."""

import numpy as np
import pytest

from wherry.ir.passes import (
    Cse,
    Dce,
    Decompose,
    DropBroadcasts,
    FoldConstants,
    Fuse,
    InferShape,
    Pass,
    Simplify,
)
from wherry.ir.text import equal, parse_text, to_text
from wherry.ir.verify import verify
from wherry.schema.errors import OpError


def check(one: Pass, before: str, after: str) -> None:
    """The pass turns one text into the other, says so, and has nothing to do a second time."""
    program = parse_text(before)
    verify(program)
    assert one.run(program) == (before != after)
    verify(program)
    expected = to_text(parse_text(after))
    assert to_text(program) == expected
    assert not one.run(program)
    assert to_text(program) == expected


def body(lines: str, args: str = "x: float32[N, 4], y: float32[N, 4]", result: str = "out") -> str:
    return f"program({args}) {{\n{lines}\n yield {result}\n}}"


# cse


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


# dce


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


# fold_constants


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


# simplify


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


# decompose


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
          s: float32[N, 4] = elementwise_div(X=exp_0.tmp_0, Y=reduce_sum_0.tmp_0) @ net.py:3 "f(x)"
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


# drop_broadcasts


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


# infer_shape


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


# fuse


def test_fuse_groups_a_chain_and_keeps_what_is_read_outside() -> None:
    check(
        Fuse(),
        body("""
        a: float32[N, 4] = exp(X=x) @ net.py:1
        b: float32[N, 4] = elementwise_add(X=a, Y=y) @ net.py:2
        m: float32[N, N] = matmul_v2(X=b, Y=x, trans_y=true)
        out: float32[N, 4] = tanh(X=b) @ net.py:3""", result="out, m"),
        """
        program(x: float32[N, 4], y: float32[N, 4]) {
          [b: float32[N, 4], out: float32[N, 4]] = fusion(X=[x, y], kind="loop", block=block(x.in: float32[N, 4], y.in: float32[N, 4]) {
            a.of: float32[N, 4] = exp(X=x.in) @ net.py:1
            b.of: float32[N, 4] = elementwise_add(X=a.of, Y=y.in) @ net.py:2
            out.of: float32[N, 4] = tanh(X=b.of) @ net.py:3
            yield b.of, out.of
          }) @ net.py:3
          m: float32[N, N] = matmul_v2(X=b, Y=x, trans_y=true)
          yield out, m
        }""",  # noqa: E501
    )  # fmt: skip


def test_fuse_makes_no_cycle() -> None:
    """`out` needs the product, which needs `a`: the two stay apart."""
    text = body("""
        a: float32[4, 4] = exp(X=x)
        m: float32[4, 4] = matmul_v2(X=a, Y=y)
        out: float32[4, 4] = elementwise_add(X=a, Y=m)""",
        args="x: float32[4, 4], y: float32[4, 4]")  # fmt: skip
    check(Fuse(), text, text)


def test_fuse_keeps_iteration_spaces_apart() -> None:
    text = body("""
        a: float32[4] = exp(X=v)
        out: float32[N, 4] = elementwise_add(X=x, Y=a)""",
        args="x: float32[N, 4], v: float32[4]")  # fmt: skip
    check(Fuse(), text, text)


def test_fuse_gives_a_reduction_its_prologue() -> None:
    check(
        Fuse(),
        body("""
        a: float32[N, 4] = elementwise_mul(X=x, Y=x)
        b: float32[N, 4] = exp(X=a)
        out: float32[N] = reduce_sum(X=b, dim=[1])""", args="x: float32[N, 4]"),
        """
        program(x: float32[N, 4]) {
          out: float32[N] = fusion(X=x, kind="reduce", block=block(x.in: float32[N, 4]) {
            a.of: float32[N, 4] = elementwise_mul(X=x.in, Y=x.in)
            b.of: float32[N, 4] = exp(X=a.of)
            out.of: float32[N] = reduce_sum(X=b.of, dim=[1])
            yield out.of
          })
          yield out
        }""",
    )  # fmt: skip


def test_a_reduction_computes_again_only_what_is_cheap() -> None:
    cheap = parse_text(
        body(
            """
        d: float32[N, 4] = elementwise_sub(X=x, Y=y)
        s: float32[N] = reduce_sum(X=d, dim=[1])
        out: float32[N, 4] = relu(X=d)""",
            "x: float32[N, 4], y: float32[N, 1]",
            "s, out",
        )
    )
    Fuse().run(cheap)
    assert [op.attrs["kind"] for op in cheap.global_block.ops] == ["reduce", "loop"]
    dear = parse_text(body("""
        d: float32[N, 4] = exp(X=x)
        s: float32[N] = reduce_sum(X=d, dim=[1])
        out: float32[N, 4] = relu(X=d)""", result="s, out"))  # fmt: skip
    Fuse().run(dear)
    assert [op.type for op in dear.global_block.ops] == ["fusion", "reduce_sum"]


def test_small_loops_run_together() -> None:
    """Of one shape, where no other op must run between: `c` waits for the product of `a`."""
    check(
        Fuse(),
        body("""
        a: float32[4] = exp(X=v)
        b: float32[4] = tanh(X=w)
        m: float32[4] = matmul_v2(X=x, Y=a)
        c: float32[4] = tanh(X=m)
        d: float32[N] = exp(X=u)
        e: float32[N] = tanh(X=t)""",
             "x: float32[4, 4], v: float32[4], w: float32[4], u: float32[N], t: float32[N]",
             "a, b, c, d, e"),
        """
        program(x: float32[4, 4], v: float32[4], w: float32[4], u: float32[N], t: float32[N]) {
          [a: float32[4], b: float32[4]] = fusion(X=[v, w], kind="loop", block=block(v.in: float32[4], w.in: float32[4]) {
            a.of: float32[4] = exp(X=v.in)
            b.of: float32[4] = tanh(X=w.in)
            yield a.of, b.of
          })
          m: float32[4] = matmul_v2(X=x, Y=a)
          c: float32[4] = tanh(X=m)
          d: float32[N] = exp(X=u)
          e: float32[N] = tanh(X=t)
          yield a, b, c, d, e
        }""",  # noqa: E501
    )  # fmt: skip


def test_effects_keep_their_order() -> None:
    text = body("""
        a: float32[N, 4] = print(In=x, message="1")
        b: float32[N, 4] = exp(X=y)
        c: float32[N, 4] = print(In=b, message="2")
        d: float32[N, 4] = tanh(X=b)
        e: float32[N, 4] = print(In=d, message="3")
        out: float32[N, 4] = elementwise_add(X=d, Y=x)""")  # fmt: skip
    program = parse_text(text)
    Fuse().run(program)
    verify(program)
    prints = [op.attrs["message"] for op in program.global_block.ops if op.type == "print"]
    assert prints == ["1", "2", "3"]


def test_fuse_goes_into_loops() -> None:
    program = parse_text("""
    program(go: bool[], x: float32[2]) {
      out: float32[2] = while(Condition=go, X=x, block=block(a: float32[2]) {
        b: float32[2] = exp(X=a)
        c: float32[2] = tanh(X=b)
        n: bool[] = fill_constant(shape=[], value=false, dtype=bool)
        yield n, c
      })
      yield out
    }""")
    Fuse().run(program)
    verify(program)
    assert "fusion" in [op.type for op in program.blocks[1].ops]


def test_a_reduction_does_not_load_more_to_compute_again() -> None:
    """A copy of `out` would load two tensors; what only a copy reads is read elsewhere too."""
    program = parse_text(body("""
        e: float32[N, 4] = exp(X=x)
        a: float32[N, 4] = scale(X=e, scale=2.0, bias=1.0)
        s: float32[N] = reduce_sum(X=a, dim=[1])
        out: float32[N, 4] = elementwise_add(X=a, Y=y)
        t: float32[N] = reduce_sum(X=out, dim=[1])""", result="s, out, t"))  # fmt: skip
    Fuse().run(program)
    verify(program)
    blocks = {op.attrs["kind"]: [o.type for o in op.attrs["block"].ops]
              for op in program.global_block.ops if op.type == "fusion"}  # fmt: skip
    assert blocks["reduce"] == ["scale", "reduce_sum"]
    assert blocks["loop"] == ["exp", "scale", "elementwise_add"]
