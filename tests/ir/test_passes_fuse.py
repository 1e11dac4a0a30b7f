"""The pass `fuse` as text in, text out."""

from passes_harness import body, check

from wherry.ir.passes import (
    Fuse,
)
from wherry.ir.program import Program
from wherry.ir.text import parse_text
from wherry.ir.verify import verify


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
        s: float32[4] = reduce_sum(X=d, dim=[0])
        out: float32[N, 4] = relu(X=d)""",
            "x: float32[N, 4], y: float32[1, 4]",
            "s, out",
        )
    )
    Fuse().run(cheap)
    assert [op.attrs["kind"] for op in cheap.global_block.ops] == ["reduce", "loop"]
    dear = parse_text(body("""
        d: float32[N, 4] = exp(X=x)
        s: float32[4] = reduce_sum(X=d, dim=[0])
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
        s: float32[4] = reduce_sum(X=a, dim=[0])
        out: float32[N, 4] = elementwise_add(X=a, Y=y)
        t: float32[4] = reduce_sum(X=out, dim=[0])""", result="s, out, t"))  # fmt: skip
    Fuse().run(program)
    verify(program)
    blocks = {op.attrs["kind"]: [o.type for o in op.attrs["block"].ops]
              for op in program.global_block.ops if op.type == "fusion"}  # fmt: skip
    assert blocks["reduce"] == ["scale", "reduce_sum"]
    assert blocks["loop"] == ["exp", "scale", "elementwise_add"]


SOFTMAX = """
        m: float32[N, 1] = reduce_max(X=x, dim=[1], keep_dim=true)
        d: float32[N, 4] = elementwise_sub(X=x, Y=m)
        e: float32[N, 4] = exp(X=d)
        s: float32[N, 1] = reduce_sum(X=e, dim=[1], keep_dim=true)
        p: float32[N, 4] = elementwise_div(X=e, Y=s)"""


def kinds(program: Program) -> list[str]:
    """The types of the ops; of fusions the kind and how many ops they hold."""
    return [
        f"{op.attrs['kind']} {len(op.attrs['block'].ops)}" if op.type == "fusion" else op.type
        for op in program.global_block.ops
    ]


def fused(lines: str, args: str, result: str) -> list[str]:
    program = parse_text(body(lines, args, result))
    Fuse().run(program)
    verify(program)
    return kinds(program)


def test_rows_take_reductions_with_what_is_around_them() -> None:
    lines = f"{SOFTMAX}\n out: float32[N, 4] = elementwise_mul(X=p, Y=y)"
    assert fused(lines, "x: float32[N, 4], y: float32[N, 4]", "out") == ["row 6"]
    # What the prologue computes may be read elsewhere too.
    lines = f"x: float32[N, 4] = tanh(X=u)\n{SOFTMAX}"
    assert fused(lines, "u: float32[N, 4]", "x, p") == ["row 6"]


def test_rows_hold_one_value_per_row_in_both_forms() -> None:
    lines = """
        s: float32[N] = reduce_sum(X=x, dim=[1])
        t: float32[N] = elementwise_add(X=s, Y=v)
        w: float32[N, 1] = unsqueeze2(X=t, axes=[1])
        out: float32[N, 4] = elementwise_sub(X=x, Y=w)"""
    assert fused(lines, "x: float32[N, 4], v: float32[N]", "out, t") == ["row 4"]
    # [4] along the rows is not [4] of one value per row.
    lines = """
        s: float32[4] = reduce_sum(X=x, dim=[1])
        out: float32[4, 4] = elementwise_sub(X=x, Y=s)"""
    assert fused(lines, "x: float32[4, 4]", "out") == ["reduce_sum", "elementwise_sub"]


def test_rows_make_no_cycle() -> None:
    """The product waits for the sum, and `out` for the product."""
    lines = """
        a: float32[4, 4] = exp(X=x)
        s: float32[4, 1] = reduce_sum(X=a, dim=[1], keep_dim=true)
        m: float32[4, 1] = matmul_v2(X=a, Y=s)
        out: float32[4, 4] = elementwise_mul(X=a, Y=m)
        t: float32[4, 1] = reduce_sum(X=out, dim=[1], keep_dim=true)"""
    assert fused(lines, "x: float32[4, 4]", "out, t") == ["row 2", "matmul_v2", "row 2"]


def test_a_single_long_row_stays_for_loops() -> None:
    lines = """
        s: float32[1, 1] = reduce_max(X=x, dim=[1], keep_dim=true)
        out: float32[1, 100000] = elementwise_sub(X=x, Y=s)"""
    assert fused(lines, "x: float32[1, 100000]", "out") == ["reduce_max", "elementwise_sub"]
    assert fused(lines.replace("100000", "1000"), "x: float32[1, 1000]", "out") == ["row 2"]


def test_constants_move_into_the_loops_that_read_them() -> None:
    check(
        Fuse(),
        body("""
        c: float32[] = fill_constant(shape=[], value=0.5)
        out: float32[N, 4] = elementwise_mul(X=x, Y=c)""", args="x: float32[N, 4]"),
        """
        program(x: float32[N, 4]) {
          out: float32[N, 4] = fusion(X=x, kind="loop", block=block(x.in: float32[N, 4]) {
            c.of: float32[] = fill_constant(shape=[], value=0.5)
            out.of: float32[N, 4] = elementwise_mul(X=x.in, Y=c.of)
            yield out.of
          })
          yield out
        }""",
    )  # fmt: skip


def test_what_one_loop_alone_reads_is_computed_in_it() -> None:
    """`a` stands before the product and is read behind it only."""
    lines = """
        a: float32[4, 4] = exp(X=x)
        m: float32[4, 4] = matmul_v2(X=y, Y=y)
        out: float32[4, 4] = elementwise_add(X=a, Y=m)"""
    args = "x: float32[4, 4], y: float32[4, 4]"
    assert fused(lines, args, "out") == ["matmul_v2", "loop 2"]


def test_what_may_fail_runs_behind_the_assert_before_it() -> None:
    """Else a division by zero would be told of by the division, not by who looked for it."""
    lines = """
        zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
        good: bool[] = not_equal(X=x, Y=zero)
        assert(Cond=good, message="x is 0")
        a: int64[] = elementwise_floordiv(X=x, Y=x)
        out: int64[] = elementwise_add(X=a, Y=x)"""
    assert fused(lines, "x: int64[]", "out") == ["loop 2", "assert", "loop 2"]
