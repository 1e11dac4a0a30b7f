"""The pass `sink_views` as text in, text out."""

from passes_harness import body, check

from wherry.ir.passes import Dce, Fuse, FuseContract, Simplify, SinkViews, run_passes
from wherry.ir.text import parse_text


def test_a_view_moves_behind_the_ops_that_read_it() -> None:
    check(
        SinkViews(),
        body("""
        a: float32[2, 12] = tanh(X=x)
        v: float32[2, 3, 4] = reshape2(X=a, shape=[2, 3, 4])
        s: float32[2, 3, 4] = elementwise_add(X=v, Y=bias)
        out: float32[2, 3, 4] = elementwise_mul(X=s, Y=y)""",
             "x: float32[2, 12], bias: float32[], y: float32[2, 3, 4]"),
        """
        program(x: float32[2, 12], bias: float32[], y: float32[2, 3, 4]) {
          a: float32[2, 12] = tanh(X=x)
          v: float32[2, 3, 4] = reshape2(X=a, shape=[2, 3, 4])
          elementwise_add_0.tmp_0: float32[2, 12] = elementwise_add(X=a, Y=bias)
          s: float32[2, 3, 4] = reshape2(X=elementwise_add_0.tmp_0, shape=[2, 3, 4])
          reshape2_1.tmp_0: float32[2, 12] = reshape2(X=y, shape=[2, 12])
          elementwise_mul_0.tmp_0: float32[2, 12] = elementwise_mul(X=elementwise_add_0.tmp_0, Y=reshape2_1.tmp_0)
          out: float32[2, 3, 4] = reshape2(X=elementwise_mul_0.tmp_0, shape=[2, 3, 4])
          yield out
        }""",  # noqa: E501
    )  # fmt: skip


def test_it_stays_where_operands_would_broadcast_otherwise() -> None:
    """`y` has a value per 4 elements; what another op computes would be parted from its loop."""
    lines = """
        a: float32[2, 12] = tanh(X=x)
        v: float32[2, 3, 4] = reshape2(X=a, shape=[2, 3, 4])
        out: float32[2, 3, 4] = elementwise_mul(X=v, Y=y)"""
    text = body(lines, "x: float32[2, 12], y: float32[3, 1]")
    check(SinkViews(), text, text)
    text = body(
        f"y: float32[2, 3, 4] = exp(X=u)\n{lines}", "x: float32[2, 12], u: float32[2, 3, 4]"
    )
    check(SinkViews(), text, text)


def test_ops_around_views_become_one_loop() -> None:
    program = parse_text(body("""
        a: float32[2, 3, 4] = tanh(X=x)
        v: float32[6, 4] = reshape2(X=a, shape=[6, 4])
        s: float32[6, 4] = elementwise_add(X=v, Y=bias)
        w: float32[2, 3, 4] = reshape2(X=s, shape=[2, 3, 4])
        out: float32[2, 3, 4] = elementwise_mul(X=w, Y=x)""",
        "x: float32[2, 3, 4], bias: float32[4]"))  # fmt: skip
    run_passes(program, [SinkViews(), Simplify(), Dce(), Fuse()])
    assert [op.type for op in program.global_block.ops] == ["fusion"]


def test_a_transpose_moves_behind_an_op_without_other_operands() -> None:
    """As a scale of heads: then it joins the product."""
    lines = """
        p: float32[2, 12] = matmul_v2(X=x, Y=y)
        h: float32[2, 3, 4] = reshape2(X=p, shape=[2, 3, 4])
        t: float32[3, 2, 4] = transpose2(X=h, axis=[1, 0, 2])"""
    scaled = f"{lines}\n out: float32[3, 2, 4] = scale(X=t, scale=0.5)"
    program = parse_text(body(scaled, "x: float32[2, 5], y: float32[5, 12]"))
    run_passes(program, [SinkViews(), Simplify(), Dce(), FuseContract()])
    types = [op.type for op in program.global_block.ops]
    assert types == ["fusion", "reshape2", "transpose2"]
    given = body(scaled.replace("matmul_v2(X=x, Y=y)", "cumsum(X=z, axis=0)"), "z: float32[2, 12]")
    check(SinkViews(), given, given)
    read_twice = f"{scaled}\n other: float32[3, 2, 4] = softmax(X=t)"
    read_twice = body(read_twice, "x: float32[2, 5], y: float32[5, 12]", "out, other")
    check(SinkViews(), read_twice, read_twice)
