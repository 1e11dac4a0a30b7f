"""Gradients of Programs: against finite differences, through control flow, split for training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from wherry.ir.backward import TrainingPrograms, append_backward, split_training
from wherry.ir.interp import run_program
from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]


def train(
    split: TrainingPrograms, inputs: Sequence[Array], state: Arrays, seeds: Sequence[Array]
) -> tuple[list[Array], dict[str, Array], dict[str, Array]]:
    """Forward and backward as the tape runs them: outputs, what is assigned, gradients by name."""
    results, assigned = run_program(split.forward, inputs, state)
    outputs, residuals = results[: split.n_outputs], results[split.n_outputs :]
    given = {"input": inputs, "residual": residuals, "grad": seeds}
    args = [given[source.kind][source.index] for source in split.sources]
    grads, _ = run_program(split.backward, args, state)
    return outputs, assigned, dict(zip(split.wrt, grads, strict=True))


def differences(
    program: Program,
    inputs: list[Array],
    state: dict[str, Array],
    seeds: Sequence[Array],
    name: str,
) -> Array:
    """The gradient of sum(output * seed) by central differences, in float64."""
    names = [var.name for var in program.inputs]
    target = inputs[names.index(name)] if name in names else state[name]
    found = np.zeros_like(target)

    def value() -> float:
        outputs, _ = run_program(program, inputs, state)
        return float(sum((out * seed).sum() for out, seed in zip(outputs, seeds, strict=True)))

    for index in np.ndindex(target.shape):
        before, step = target[index], 1e-6
        target[index] = before + step
        high = value()
        target[index] = before - step
        low = value()
        target[index] = before
        found[index] = (high - low) / (2 * step)
    return found


def check(text: str, inputs: list[Array], state: dict[str, Array]) -> TrainingPrograms:
    """Split, verify, compare every gradient with differences; with passes and without."""
    program = parse_text(text)
    verify(program)
    before = to_text(program)
    split = split_training(program)
    assert to_text(program) == before
    outputs, _ = run_program(program, inputs, state)
    rng = np.random.default_rng(1)
    seeds = [np.asarray(rng.normal(size=out.shape)) for out in outputs]
    prepared = TrainingPrograms(
        prepare_for_codegen(split.forward, inference=False),
        prepare_for_codegen(split.backward, inference=False),
        split.n_outputs, split.sources, split.wrt,
    )  # fmt: skip
    for pair in (split, prepared):
        verify(pair.forward)
        verify(pair.backward)
        found, _, grads = train(pair, inputs, state, seeds)
        for a, b in zip(found, outputs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        for name in split.wrt:
            expected = differences(program, inputs, state, seeds, name)
            np.testing.assert_allclose(grads[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    return split


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


MLP = """
program(x: data grad float64[B, 4], label: data int64[B, 1]) {
  persist trainable w: grad float64[4, 5]
  persist trainable b: grad float64[5]
  persist frozen: float64[5, 3]
  h: grad float64[B, 5] = matmul_v2(X=x, Y=w) @ net.py:3 "h = self.fc1(x)"
  hb: grad float64[B, 5] = elementwise_add(X=h, Y=b)
  r: grad float64[B, 5] = relu(X=hb)
  o: grad float64[B, 3] = matmul_v2(X=r, Y=frozen)
  Softmax=s: grad float64[B, 3], Loss=l: grad float64[B, 1] = softmax_with_cross_entropy(Logits=o, Label=label)
  loss: grad float64[] = reduce_mean(X=l, dim=[0, 1])
  yield loss
}
"""  # noqa: E501


@pytest.mark.parametrize("batch", [1, 3])
def test_matmul_relu_cross_entropy(batch: int) -> None:
    label = np.arange(batch).reshape(batch, 1) % 3
    state = {"w": normal(4, 5, seed=2), "b": normal(5, seed=3), "frozen": normal(5, 3, seed=4)}
    split = check(MLP, [normal(batch, 4), label], state)
    assert split.wrt == ("x", "w", "b")


def test_pointwise_ops_are_computed_again_and_others_kept() -> None:
    split = split_training(parse_text(MLP))
    kept = [var.name for var in split.residuals]
    assert sorted(kept) == ["h", "s"]
    again = [op.type for op in split.backward.global_block.ops]
    assert "relu" in again and "matmul_v2" in again
    assert all(op.type != "softmax_with_cross_entropy" for op in split.backward.all_ops())


def test_gradients_carry_names_roles_and_the_users_line() -> None:
    program = parse_text(MLP)
    block = program.global_block
    grads = append_backward(program, program.outputs, None, [block.vars["w"], block.vars["frozen"]])
    verify(program)
    assert [grad and grad.name for grad in grads] == ["w@GRAD", "frozen@GRAD"]
    appended = [op for op in block.ops if op.attrs.get("op_role") == 1]
    assert appended and block.ops.index(appended[0]) == 6
    dw = grads[0]
    assert dw is not None and dw.op is not None
    assert str(dw.op.loc) == "net.py:3: h = self.fc1(x)"


def test_stop_gradient_ends_the_flow() -> None:
    program = parse_text("""
    program(x: grad float64[2], y: grad float64[2]) {
      a: grad float64[2] = exp(X=x)
      b: float64[2] = exp(X=y)
      c: grad float64[2] = elementwise_mul(X=a, Y=b)
      yield c
    }""")
    gx, gy = append_backward(program, program.outputs, None, program.inputs)
    assert gx is not None and gy is None
    assert split_training(program).wrt == ("x",)


def test_values_used_twice_add_up() -> None:
    check("""
    program(x: grad float64[B, 3]) {
      a: grad float64[B, 3] = tanh(X=x)
      b: grad float64[B, 3] = elementwise_mul(X=a, Y=x)
      c: grad float64[B, 3] = elementwise_mul(X=b, Y=b)
      yield c, a
    }""", [normal(2, 3)], {})  # fmt: skip


def test_an_output_that_is_an_input_and_twice_the_same() -> None:
    check("""
    program(x: grad float64[2], y: grad float64[2]) {
      z: grad float64[2] = elementwise_mul(X=x, Y=y)
      yield x, z, z
    }""", [normal(2), normal(2, seed=1)], {})  # fmt: skip


def test_broadcasting_is_undone() -> None:
    check("""
    program(x: grad float64[B, 1, 3], y: grad float64[C, 1]) {
      guard <B> <= <100> "few rows"
      z: grad float64[B, C, 3] = elementwise_mul(X=x, Y=y)
      yield z
    }""", [normal(2, 1, 3), normal(4, 1, seed=1)], {})  # fmt: skip


CONV = """
program(x: data float64[B, 2, 6, 6]) {
  persist trainable w: grad float64[3, 2, 3, 3]
  persist trainable scale: grad float64[3]
  persist trainable bias: grad float64[3]
  persist mean: float64[3]
  persist var: float64[3]
  c: grad float64[B, 3, 6, 6] = conv2d(Input=x, Filter=w, paddings=[1, 1])
  Y=n: grad float64[B, 3, 6, 6], MeanOut=mean@1: float64[3], VarianceOut=var@1: float64[3], SavedMean=sm: float64[3], SavedVariance=sv: float64[3] = batch_norm(X=c, Scale=scale, Bias=bias, Mean=mean, Variance=var)
  r: grad float64[B, 3, 6, 6] = relu(X=n)
  POOL
  flat: grad float64[B, 27] = flatten_contiguous_range(X=p, start_axis=1, stop_axis=-1)
  assign_persistable(X=mean@1, Target=mean)
  assign_persistable(X=var@1, Target=var)
  yield flat
}
"""  # noqa: E501


def test_conv_batch_norm_pool() -> None:
    program_text = CONV.replace("POOL", pool_line())
    state = {
        "w": normal(3, 2, 3, 3), "scale": normal(3, seed=1), "bias": normal(3, seed=2),
        "mean": np.zeros(3), "var": np.ones(3),
    }  # fmt: skip
    x = normal(2, 2, 6, 6, seed=5)
    split = check(program_text, [x], state)
    assert split.wrt == ("w", "scale", "bias")
    assert {var.name for var in split.forward.persistables} >= {"mean", "var"}
    _, assigned = run_program(split.forward, [x], state)
    assert sorted(assigned) == ["mean", "var"]
    types = [op.type for op in split.backward.all_ops()]
    assert "assign_persistable" not in types and "conv2d" not in types


def pool_line() -> str:
    from wherry.ir.opdef import get_op

    slots = [slot.name for slot in get_op("pool2d").outputs]
    attrs = 'pooling_type="max", ksize=[2, 2], strides=[2, 2])'
    assert slots[0] == "Out"
    return f"p: grad float64[B, 3, 3, 3] = pool2d(X=r, {attrs}"


def test_dropout_uses_the_forwards_mask() -> None:
    """The State is assigned after the draw: backward must not see the new one."""
    split = check("""
    program(x: grad float64[B, 8]) {
      persist state: int64[2]
      a: grad float64[B, 8] = exp(X=x)
      Out=d: grad float64[B, 8], Mask=m: uint8[B, 8] = dropout(X=a, State=state, dropout_prob=0.5)
      next: int64[2] = rng_advance(State=state)
      assign_persistable(X=next, Target=state)
      b: grad float64[B, 8] = elementwise_mul(X=d, Y=d)
      yield b
    }""", [normal(3, 8)], {"state": np.int64([7, 0])})  # fmt: skip
    assert "state" not in {var.name for var in split.backward.persistables}


COND = """
program(c: bool[], x: grad float64[B], y: grad float64[B]) {
  s: grad float64[B] = exp(X=x)
  [z: grad float64[B], k: grad float64[B]] = cond(Cond=c, X=[s, y], true_block=block(
      a: grad float64[B], b: grad float64[B]) {
    t: grad float64[B] = elementwise_mul(X=a, Y=b)
    u: grad float64[B] = print(In=t, message="t")
    yield u, b
  }, false_block=block(d: grad float64[B], e: grad float64[B]) {
    f: grad float64[B] = tanh(X=d)
    yield f, d
  })
  yield z, k
}
"""


@pytest.mark.parametrize("taken", [True, False])
def test_cond(taken: bool, capsys: pytest.CaptureFixture[str]) -> None:
    check(COND, [np.array(taken), normal(3), normal(3, seed=1)], {})
    split = split_training(parse_text(COND))
    assert all(op.type != "print" for op in split.backward.all_ops())


LOOP = """
program(n: int64[], x: grad float64[B], w: grad float64[B]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  none: float64[B] = fill_any_like(X=x, value=0.0)
  go: bool[] = less_than(X=zero, Y=n)
  [i: int64[], y: grad float64[B], s: grad float64[B]] = while(
      Condition=go, X=[zero, x, none], Extra=[n, w], block=block(
      a: int64[], b: grad float64[B], t: grad float64[B], m: int64[], v: grad float64[B]) {
    a@1: int64[] = scale(X=a, bias=1.0)
    one: int64[] = fill_constant(shape=[], value=1, dtype=int64)
    first: bool[] = less_than(X=a, Y=one)
    k: grad float64[B] = cond(Cond=first, X=[b, v], true_block=block(
        c: grad float64[B], d: grad float64[B]) {
      e: grad float64[B] = elementwise_mul(X=c, Y=d)
      yield e
    }, false_block=block(f: grad float64[B], g: grad float64[B]) {
      h: grad float64[B] = elementwise_add(X=f, Y=g)
      yield h
    })
    b@1: grad float64[B] = tanh(X=k)
    t@1: grad float64[B] = elementwise_add(X=t, Y=b@1)
    more: bool[] = less_than(X=a@1, Y=m)
    yield more, a@1, b@1, t@1
  })
  z: grad float64[B] = elementwise_mul(X=y, Y=s)
  yield z
}
"""


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_while(rounds: int) -> None:
    check(LOOP, [np.int64(rounds), normal(3), normal(3, seed=1)], {})


NESTED = """
program(go: bool[], x: grad float64[2]) {
  zero: int64[] = fill_constant(shape=[], value=0, dtype=int64)
  [i: int64[], y: grad float64[2]] = while(Condition=go, X=[zero, x], block=block(
      a: int64[], b: grad float64[2]) {
    on: bool[] = fill_constant(shape=[], value=true, dtype=bool)
    [j: int64[], c: grad float64[2]] = while(Condition=on, X=[a, b], block=block(
        d: int64[], e: grad float64[2]) {
      f: grad float64[2] = sin(X=e)
      d@1: int64[] = scale(X=d, bias=1.0)
      three: int64[] = fill_constant(shape=[], value=3, dtype=int64)
      inner: bool[] = less_than(X=d@1, Y=three)
      yield inner, d@1, f
    })
    a@1: int64[] = scale(X=a, bias=1.0)
    two: int64[] = fill_constant(shape=[], value=2, dtype=int64)
    outer: bool[] = less_than(X=a@1, Y=two)
    yield outer, a@1, c
  })
  yield y
}
"""


def test_a_loop_in_a_loop() -> None:
    check(NESTED, [np.array(True), normal(2)], {})


def test_an_integer_loop_beside_the_gradient_is_no_matter() -> None:
    check("""
    program(go: bool[], i: int64[], x: grad float64[2]) {
      j: int64[] = while(Condition=go, X=i, block=block(a: int64[]) {
        n: bool[] = fill_constant(shape=[], value=false, dtype=bool)
        yield n, a
      })
      k: float64[] = cast(X=j, out_dtype=float64)
      y: grad float64[2] = elementwise_mul(X=x, Y=k)
      yield y
    }""", [np.array(True), np.int64(3), normal(2)], {})  # fmt: skip


def test_sizes_that_are_expressions_come_in_as_plain_ones() -> None:
    split = check("""
    program(x: grad float64[B, 3]) {
      persist trainable w: grad float64[3, 3]
      h: grad float64[B, 3] = matmul_v2(X=x, Y=w)
      c: grad float64[2*B, 3] = concat(X=[h, x], axis=0)
      e: grad float64[2*B, 3] = exp(X=c)
      m: grad float64[2*B, 1] = reduce_sum(X=e, dim=[1], keep_dim=true)
      q: grad float64[2*B, 3] = elementwise_div(X=e, Y=m)
      yield q
    }""", [normal(2, 3)], {"w": normal(3, 3, seed=1)})  # fmt: skip
    dims = [dim for var in split.backward.inputs for dim in var.shape]
    assert all(isinstance(dim, int) or str(dim).isidentifier() for dim in dims)
    assert "d0" in map(str, dims)


def test_a_symbol_that_no_residual_shows_comes_with_an_input() -> None:
    split = check("""
    program(x: grad float64[3], n: float64[B, 2]) {
      y: grad float64[2*B, 3] = expand_v2(X=x, shape=[<2*B>, 3])
      s: grad float64[] = reduce_sum(X=y, dim=[0, 1])
      yield s
    }""", [normal(3), normal(2, 2)], {})  # fmt: skip
    assert split.sources


def test_only_what_is_asked_for() -> None:
    split = split_training(parse_text(MLP), ["frozen"])
    assert split.wrt == ("frozen",)
    assert [v.name for v in split.backward.outputs] == ["frozen@GRAD"]


def test_a_chain_of_3000_pointwise_ops() -> None:
    """Longer than Python's stack is deep."""
    lines = ["program(a0: grad float32[4]) {"]
    lines += [f"  a{i + 1}: grad float32[4] = tanh(X=a{i})" for i in range(3000)]
    split = split_training(parse_text("\n".join([*lines, "  yield a3000", "}"])))
    assert split.wrt == ("a0",) and len(split.residuals) == 0
