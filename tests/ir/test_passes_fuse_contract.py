"""The pass `fuse_contract` as text in, text out."""

from passes_harness import body, check

from wherry.ir.passes import FuseContract
from wherry.ir.text import parse_text
from wherry.ir.verify import verify

ARGS = "x: float32[N, 4], w: float32[4, 6], b: float32[6], r: float32[N, 6]"


def test_bias_activation_and_residual_follow_the_product() -> None:
    check(
        FuseContract(),
        body("""
        m: float32[N, 6] = matmul_v2(X=x, Y=w) @ net.py:1
        a: float32[N, 6] = elementwise_add(X=m, Y=b) @ net.py:2
        t: float32[N, 6] = tanh(X=a)
        out: float32[N, 6] = elementwise_add(X=r, Y=t) @ net.py:3""", ARGS),
        """
        program(x: float32[N, 4], w: float32[4, 6], b: float32[6], r: float32[N, 6]) {
          out: float32[N, 6] = fusion(X=[x, w, b, r], kind="contract", block=block(x.in: float32[N, 4], w.in: float32[4, 6], b.in: float32[6], r.in: float32[N, 6]) {
            m.of: float32[N, 6] = matmul_v2(X=x.in, Y=w.in) @ net.py:1
            a.of: float32[N, 6] = elementwise_add(X=m.of, Y=b.in) @ net.py:2
            t.of: float32[N, 6] = tanh(X=a.of)
            out.of: float32[N, 6] = elementwise_add(X=r.in, Y=t.of) @ net.py:3
            yield out.of
          }) @ net.py:3
          yield out
        }""",  # noqa: E501
    )  # fmt: skip


def test_what_is_read_elsewhere_is_an_output_too() -> None:
    check(
        FuseContract(),
        body("""
        m: float32[N, 6] = matmul_v2(X=x, Y=w)
        a: float32[N, 6] = relu(X=m)
        s: float32[N] = reduce_sum(X=m, dim=[1])
        t: float32[N, 6] = tanh(X=a)""", ARGS, "a, s, t"),
        """
        program(x: float32[N, 4], w: float32[4, 6], b: float32[6], r: float32[N, 6]) {
          [m: float32[N, 6], a: float32[N, 6]] = fusion(X=[x, w], kind="contract", block=block(x.in: float32[N, 4], w.in: float32[4, 6]) {
            m.of: float32[N, 6] = matmul_v2(X=x.in, Y=w.in)
            a.of: float32[N, 6] = relu(X=m.of)
            yield m.of, a.of
          })
          s: float32[N] = reduce_sum(X=m, dim=[1])
          t: float32[N, 6] = tanh(X=a)
          yield a, s, t
        }""",  # noqa: E501
    )  # fmt: skip


def test_no_cycle_where_the_residual_comes_from_the_product() -> None:
    """`c` reads the product and gives what `out` adds to it."""
    text = body("""
        m: float32[N, 6] = matmul_v2(X=x, Y=w)
        c: float32[N, 6] = cumsum(X=m, axis=1)
        out: float32[N, 6] = elementwise_add(X=m, Y=c)""", ARGS)  # fmt: skip
    check(FuseContract(), text, text)


def test_a_residual_that_is_made_later() -> None:
    program = parse_text(body("""
        m: float32[N, 6] = matmul_v2(X=x, Y=w)
        c: float32[N, 6] = cumsum(X=r, axis=1)
        out: float32[N, 6] = elementwise_add(X=m, Y=c)""", ARGS))  # fmt: skip
    assert FuseContract().run(program)
    verify(program)
    assert [op.type for op in program.global_block.ops] == ["cumsum", "fusion"]


def test_two_products_that_are_added() -> None:
    program = parse_text(body("""
        m: float32[N, 6] = matmul_v2(X=x, Y=w)
        n: float32[N, 6] = matmul_v2(X=x, Y=w)
        a: float32[N, 6] = elementwise_add(X=m, Y=n)
        out: float32[N, 6] = tanh(X=a)""", ARGS))  # fmt: skip
    assert FuseContract().run(program)
    verify(program)
    first, second = program.global_block.ops
    assert first.type == "matmul_v2"
    assert [op.type for op in second.attrs["block"].ops] == ["matmul_v2", "elementwise_add", "tanh"]


def test_other_shapes_and_divisions_stay_outside() -> None:
    text = body("""
        m: float32[6] = matmul_v2(X=v, Y=w)
        a: float32[N, 6] = elementwise_add(X=r, Y=m)
        i: int32[4, 4] = matmul_v2(X=k, Y=k)
        j: int32[4, 4] = elementwise_mod(X=i, Y=k)""",
        "v: float32[4], w: float32[4, 6], r: float32[N, 6], k: int32[4, 4]", "a, j")  # fmt: skip
    check(FuseContract(), text, text)


def test_it_goes_into_loops_and_not_into_fusions() -> None:
    program = parse_text("""
    program(go: bool[], x: float32[2, 2]) {
      out: float32[2, 2] = while(Condition=go, X=x, block=block(a: float32[2, 2]) {
        b: float32[2, 2] = matmul_v2(X=a, Y=a)
        c: float32[2, 2] = tanh(X=b)
        n: bool[] = fill_constant(shape=[], value=false, dtype=bool)
        yield n, c
      })
      yield out
    }""")
    assert FuseContract().run(program)
    verify(program)
    assert not FuseContract().run(program)
    assert program.blocks[1].ops[0].attrs["kind"] == "contract"


def test_the_operands_are_bounded() -> None:
    names = ["m", *(f"s{i}" for i in range(12))]
    lines = [
        f"s{i}: float32[N, 6] = elementwise_add(X={name}, Y=b{i})"
        for i, name in enumerate(names[:-1])
    ]
    lines.insert(0, "m: float32[N, 6] = matmul_v2(X=x, Y=w)")
    args = ARGS + "".join(f", b{i}: float32[6]" for i in range(12))
    program = parse_text(body("\n".join(lines), args, "s11"))
    assert FuseContract().run(program)
    verify(program)
    fused, *rest = program.global_block.ops
    assert len(fused.in_vars) == 2 + 8
    assert [op.type for op in rest] == ["elementwise_add"] * 4
