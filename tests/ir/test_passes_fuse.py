"""The pass `fuse` as text in, text out."""

from passes_harness import body, check

from wherry.ir.passes import (
    Fuse,
)
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
