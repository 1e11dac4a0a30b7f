"""The pass `pack_weights` as text in, text out."""

from __future__ import annotations

import numpy as np
from passes_harness import body, check

from wherry.ir.interp import run_program
from wherry.ir.passes import PackWeights, prepare_for_codegen, prepare_in_parts
from wherry.ir.text import parse_text


def text(weights: str, lines: str, x: str = "float32[N, 64]", result: str = "out") -> str:
    return body(f" persist w: {weights}\n{lines}", args=f"x: {x}", result=result)


def test_weights_are_padded_and_laid_out_in_panels() -> None:
    check(
        PackWeights(),
        text("float32[64, 100]", "out: float32[N, 100] = matmul_v2(X=x, Y=w) @ net.py:3"),
        text("float32[64, 100]", """
        pad_0.tmp_0: float32[64, 128] = pad(X=w, paddings=[0, 0, 0, 28]) @ net.py:3
        reshape2_0.tmp_0: float32[64, 4, 32] = reshape2(X=pad_0.tmp_0, shape=[64, 4, 32]) @ net.py:3
        transpose2_0.tmp_0: float32[4, 64, 32] = transpose2(X=reshape2_0.tmp_0, axis=[1, 0, 2]) @ net.py:3
        out: float32[N, 100] = matmul_panels(X=x, Y=transpose2_0.tmp_0, columns=100) @ net.py:3"""),  # noqa: E501
    )  # fmt: skip


def test_what_two_products_read_is_packed_once() -> None:
    check(
        PackWeights(),
        text("float64[96, 64]", """
        a: float64[2, N, 96] = matmul_v2(X=x, Y=w, trans_y=true)
        b: float64[2, N, 64] = matmul_v2(X=a, Y=w)
        out: float64[2, N, 96] = matmul_v2(X=b, Y=w, trans_y=true)""", x="float64[2, N, 64]"),
        text("float64[96, 64]", """
        reshape2_0.tmp_0: float64[6, 16, 64] = reshape2(X=w, shape=[6, 16, 64])
        transpose2_0.tmp_0: float64[6, 64, 16] = transpose2(X=reshape2_0.tmp_0, axis=[0, 2, 1])
        reshape2_1.tmp_0: float64[96, 4, 16] = reshape2(X=w, shape=[96, 4, 16])
        transpose2_1.tmp_0: float64[4, 96, 16] = transpose2(X=reshape2_1.tmp_0, axis=[1, 0, 2])
        a: float64[2, N, 96] = matmul_panels(X=x, Y=transpose2_0.tmp_0, columns=96)
        b: float64[2, N, 64] = matmul_panels(X=a, Y=transpose2_1.tmp_0, columns=64)
        out: float64[2, N, 96] = matmul_panels(X=b, Y=transpose2_0.tmp_0, columns=96)""",
             x="float64[2, N, 64]"),
    )  # fmt: skip


LOOP = """
        k: bool[] = fill_constant(shape=[], value=true, dtype=bool)
        [out: float32[N, 64]] = while(Condition=k, X=[x], Extra=[{0}], block=block(h: float32[N, 64], {1}: float32[{2}]) {{
          s: float32[] = reduce_sum(X=h, dim=[0, 1])
          zero: float32[] = fill_constant(shape=[])
          c: bool[] = greater_than(X=s, Y=zero)
          [a: float32[N, 64]] = cond(Cond=c, X=[h, {1}], true_block=block(p: float32[N, 64], {3}: float32[{2}]) {{
            b: float32[N, 64] = {4}
            yield b
          }}, false_block=block(q: float32[N, 64], {5}: float32[{2}]) {{
            yield q
          }})
          yield c, a
        }})"""  # noqa: E501


def test_loops_and_branches_get_the_panels() -> None:
    """They are made before the loop."""
    laid = """
        reshape2_0.tmp_0: float32[64, 2, 32] = reshape2(X=w, shape=[64, 2, 32])
        transpose2_0.tmp_0: float32[2, 64, 32] = transpose2(X=reshape2_0.tmp_0, axis=[1, 0, 2])"""
    name = "transpose2_0.tmp_0"
    before = LOOP.format("w", "v", "64, 64", "u", "matmul_v2(X=p, Y=u)", "r")
    k, loop = LOOP.format(
        name, f"{name}_1", "2, 64, 32", f"{name}_1_1",
        f"matmul_panels(X=p, Y={name}_1_1, columns=64)", f"{name}_1_2",
    ).split("\n        [", 1)  # fmt: skip
    check(
        PackWeights(),
        text("float32[64, 64]", before),
        text("float32[64, 64]", f"{k}{laid}\n        [{loop}"),
    )


def unchanged(program: str) -> None:
    check(PackWeights(), program, program)


def test_what_does_not_gain_stays() -> None:
    """Small weights, few columns, a vector, a transposed left matrix, whole numbers, inputs."""
    unchanged(text("float32[64, 32]", "out: float32[N, 32] = matmul_v2(X=x, Y=w)"))
    unchanged(text("float32[640, 16]", "out: float32[N, 16] = matmul_v2(X=x, Y=w)",
                   x="float32[N, 640]"))  # fmt: skip
    unchanged(text("float32[64, 100]", "out: float32[100] = matmul_v2(X=x, Y=w)", x="float32[64]"))
    unchanged(text("float32[64, 100]", "out: float32[N, 100] = matmul_v2(X=x, Y=w, trans_x=true)",
                   x="float32[64, N]"))  # fmt: skip
    unchanged(text("int32[64, 100]", "out: int32[N, 100] = matmul_v2(X=x, Y=w)", x="int32[N, 64]"))
    unchanged(body("out: float32[N, 100] = matmul_v2(X=x, Y=w)",
                   args="x: float32[N, 64], w: float32[64, 100]"))  # fmt: skip


def test_weights_that_others_read_too_stay() -> None:
    """They would lie in memory twice: a table of embeddings that is the last layer, too."""
    unchanged(
        text(
            "float32[1000, 64]",
            """
        h: float32[N, 64] = lookup_table_v2(W=w, Ids=x)
        out: float32[N, 1000] = matmul_v2(X=h, Y=w, trans_y=true)""",
            x="int64[N]",
        )
    )


def test_weights_that_a_loop_changes_stay() -> None:
    """They are a carry, as well as what its products read."""
    unchanged(
        text(
            "float32[64, 64]",
            """
        k: bool[] = fill_constant(shape=[], value=true, dtype=bool)
        [a: float32[64, 64], out: float32[N, 64]] = while(
          Condition=k, X=[w, x], Extra=[w],
          block=block(v: float32[64, 64], h: float32[N, 64], u: float32[64, 64]) {
          c: bool[] = fill_constant(shape=[], value=false, dtype=bool)
          s: float32[64, 64] = tanh(X=v)
          b: float32[N, 64] = matmul_v2(X=h, Y=u)
          yield c, s, b
        })""",
            result="a, out",
        )
    )


def test_weights_that_a_call_writes_stay() -> None:
    unchanged(
        text(
            "float32[64, 100]",
            """
        out: float32[N, 100] = matmul_v2(X=x, Y=w)
        v: float32[64, 100] = tanh(X=w)
        assign_persistable(X=v, Target=w)""",
        )
    )


def test_it_is_done_once() -> None:
    """Constants are folded, and only the panels stay; else `prepare` makes them."""
    program = parse_text(text("float32[64, 100]", """
        h: float32[N, 100] = matmul_v2(X=x, Y=w)
        out: float32[N, 100] = relu(X=h)"""))  # fmt: skip
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 64)).astype(np.float32)
    weights = rng.normal(size=(64, 100)).astype(np.float32)
    (want,), _ = run_program(program, [x], {"w": weights})

    prepare, main = prepare_in_parts(program)
    assert prepare is not None
    assert [op.type for op in main.global_block.ops] == ["fusion"]
    panels, _ = run_program(prepare, [], {"w": weights})
    names = [var.name for var in prepare.outputs]
    (found,), _ = run_program(main, [x], dict(zip(names, panels, strict=True)))
    np.testing.assert_allclose(found, want, rtol=1e-6)

    program.values["w"] = weights
    folded = prepare_for_codegen(program, inference=True)
    assert [op.type for op in folded.global_block.ops] == ["fusion"]
    assert [var.shape for var in folded.persistables] == [(4, 64, 32)]
    (found,), _ = run_program(folded, [x], folded.values)
    np.testing.assert_allclose(found, want, rtol=1e-6)
