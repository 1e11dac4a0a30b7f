# ruff: noqa: SIM108  (the statements are what is tested)
"""What a mask selects: equal in dynamic mode, under to_static, loaded, and in a shared object."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

import wherry as paddle
import wherry.runtime
from wherry.cli import main
from wherry.inference import Config, create_predictor
from wherry.jit import to_static
from wherry.schema.errors import InputError, OpError
from wherry.static import InputSpec

F = paddle.nn.functional
RNG = np.random.default_rng(7)
# Some, none, all, one and several of the rows begin with a number > 0; the rows are 6 or 5.
INPUTS = [
    RNG.normal(size=(6, 4)).astype(np.float32), -np.ones((6, 4), np.float32),
    np.ones((5, 4), np.float32), np.eye(6, 4, dtype=np.float32),
    RNG.normal(size=(6, 4)).astype(np.float32) + 1,
]  # fmt: skip


def by_mask(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    return x[x > 0], rows, rows.shape[0], len(rows), rows * 2 + x[x[:, 0] > 0]


def by_part_of_a_mask(x: Any) -> Any:
    cube = x.unsqueeze(1) * x.unsqueeze(0)
    return cube[x[:, 0] > 0, :, 1:], cube[cube[:, :, 0] > 0], cube[:, x > -1], x[:3][x[:3] > 0]


def selected(x: Any) -> Any:
    return x.masked_select(x > 0).sum(), paddle.masked_select(x, x[:1] > 0)


def positions(x: Any) -> Any:
    rows, columns = paddle.where(x > 0)
    return paddle.nonzero(x > 0), paddle.nonzero(x[:, 0] > 0), rows, columns, paddle.nonzero(x)


def indexed_by_positions(x: Any) -> Any:
    at = paddle.nonzero(x[:, 0] > 0)
    flat = at.squeeze(-1)
    return (
        paddle.gather(x, at), x[flat], paddle.index_select(x, flat), paddle.gather_nd(x, at),
        paddle.scatter(x * 1, at, paddle.zeros([at.shape[0], 4])), paddle.nonzero(x > 0).numel(),
    )  # fmt: skip


def distinct(x: Any) -> Any:
    whole = (x * 2).astype("int64")
    values, first, inverse, counts = paddle.unique(
        whole, return_index=True, return_inverse=True, return_counts=True
    )
    runs = paddle.unique_consecutive(whole, return_inverse=True, return_counts=True)
    return values, first, inverse.flatten(), counts, paddle.unique(x), *runs


def computed_with(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    similar = F.softmax(paddle.matmul(rows, x, transpose_y=True), axis=-1)
    return (
        paddle.matmul(similar, x), paddle.concat([rows, x], axis=0), rows.reshape([-1, 2]),
        paddle.concat([rows, x[x[:, 0] > 0]], axis=1), F.layer_norm(rows, [4]), rows.t(),
        paddle.zeros([rows.shape[0], 2]), paddle.arange(rows.shape[0]), rows[1:], rows.sum(axis=0),
        (rows.unsqueeze(1) - rows.unsqueeze(0)).abs().sum(axis=-1),
    )  # fmt: skip


def decided_by_the_size(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    if rows.shape[0] == 0:
        return paddle.zeros([4])
    if len(rows) > 2:
        return rows.max(axis=0)
    return rows.mean(axis=0)


def looped_over(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    total, weighted, kept = paddle.zeros([4]), paddle.zeros([4]), [x[0]]
    for row in rows:
        total = total + row
        if row[1] > 0:
            kept.append(row)
    for i in range(rows.shape[0]):
        weighted = weighted + rows[i] * i
    return total, weighted, paddle.stack(kept)


def found_in_branches_and_rounds(x: Any) -> Any:
    if x.sum() > 0:
        picked = x[x > 0]
    else:
        picked = x[x < 0] * 3
    total, i = paddle.zeros([]), paddle.to_tensor(0)
    while i < 3:
        total = total + x[x > i.astype("float32") / 2].sum()
        i = i + 1
    return picked * 2, total


def of_the_branch_taken(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    few = rows if x.sum() > 0 else x[:2] * 3
    if rows.shape[0] == 0:
        return paddle.zeros([0, 4]), few + 1
    return rows * 2, few + 1


def written_by_mask(x: Any) -> Any:
    y = x * 1
    y[y > 0.5] = y[y > 0.5] * 2
    y[x[:, 0] > 0] += 1
    y[1:3, x[0] > 0] = y[1:3, x[0] > 0] - 1
    return y


def of_one_element(x: Any) -> Any:
    return paddle.nonzero(x.sum() > 0), paddle.masked_select(x.sum(), x.sum() > 0)


FUNCTIONS = [
    by_mask, by_part_of_a_mask, selected, positions, indexed_by_positions, distinct, computed_with,
    decided_by_the_size, looped_over, found_in_branches_and_rounds, of_the_branch_taken,
    written_by_mask, of_one_element,
]  # fmt: skip


def as_arrays(found: Any) -> list[Any]:
    values = found if isinstance(found, (list, tuple)) else [found]
    return [np.asarray(value) for value in values]


def assert_same(found: Any, wanted: Any) -> None:
    for ours, theirs in zip(as_arrays(found), as_arrays(wanted), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_static_is_dynamic(function: Callable[..., Any]) -> None:
    compiled = to_static(function)
    for x in [*INPUTS, INPUTS[0]]:
        assert_same(compiled(paddle.to_tensor(x)), function(paddle.to_tensor(x)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_open_sizes(function: Callable[..., Any]) -> None:
    compiled = to_static(function, input_spec=[InputSpec([None, 4], name="x")])
    for x in INPUTS:
        assert_same(compiled(paddle.to_tensor(x)), function(paddle.to_tensor(x)))
    assert len(compiled.program_cache) == 1


class Detector(paddle.nn.Layer):
    """Boxes that score high, in order, how they overlap, and what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.head = paddle.nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        boxes = self.head(x)
        scores = boxes.sum(axis=1)
        keep = scores > 0
        boxes, scores = boxes[keep], scores[keep]
        boxes = boxes[paddle.argsort(scores, descending=True)]
        overlap = (boxes.unsqueeze(1) * boxes.unsqueeze(0)).sum(axis=-1)
        kinds = paddle.unique((x[keep] * 2).astype("int64"))
        return boxes, overlap, paddle.nonzero(keep), kinds, boxes.shape[0]


def test_saved_loaded_and_compiled(tmp_path: Path) -> None:
    net = Detector()
    net.eval()
    prefix = str(tmp_path / "net")
    paddle.jit.save(net, prefix, input_spec=[InputSpec([None, 4], name="x")])
    assert main(["compile", prefix]) == 0
    loaded, shared = paddle.jit.load(prefix), wherry.runtime.load(f"{prefix}.so")
    predictor = create_predictor(Config(f"{prefix}.pdmodel", f"{prefix}.pdiparams"))
    inline = to_static(lambda x: [*loaded(x), loaded(x + 1)[0]])
    for x in INPUTS:
        wanted = net(paddle.to_tensor(x))
        assert_same(loaded(paddle.to_tensor(x)), wanted)
        assert_same(shared(x), wanted)
        assert_same(predictor.run([x]), wanted)
        twice = [*wanted, net(paddle.to_tensor(x + 1))[0]]
        assert_same(inline(paddle.to_tensor(x)), twice)


def test_a_static_program_shows_minus_one() -> None:
    paddle.enable_static()
    try:
        program = paddle.static.Program()
        with paddle.static.program_guard(program):
            x = paddle.static.data("x", [None, 4])
            rows = x[x[:, 0] > 0]
            at = paddle.nonzero(x > 0)
            assert (list(rows.shape), list(at.shape)) == ([-1, 4], [-1, 2])
            total = rows.sum(axis=0)
        run = paddle.static.Executor()
        for array in INPUTS:
            found = run.run(program, feed={"x": array}, fetch_list=[rows, at, total])
            picked = array[array[:, 0] > 0]
            assert_same(found, [picked, np.argwhere(array > 0), picked.sum(axis=0)])
        assert_same(run.run(program, feed={"x": INPUTS[0]}, fetch_list=[x]), [INPUTS[0]])
    finally:
        paddle.disable_static()


def squared_selection(x: Any) -> Any:
    return paddle.masked_select(x, x > 0) ** 2


def products_of_rows(x: Any) -> Any:
    rows = x[x[:, 0] > 0]
    return paddle.matmul(rows, rows, transpose_y=True), F.softmax(rows, axis=-1)


def gathered(x: Any) -> Any:
    return paddle.gather(x, paddle.nonzero(x[:, 0] > 0)) * 2 + x.sum()


def times_the_size(x: Any) -> Any:
    count = x[x[:, 0] > 0].shape[0]
    return (x.sum() + paddle.zeros([count])).sum() * count


def summed_in_a_loop(x: Any) -> Any:
    total = x.sum() * 0
    for row in x[x[:, 0] > 0]:
        total = total + (row * row).sum()
    return total


def chosen_by_a_branch(x: Any) -> Any:
    if x.sum() > 0:
        picked = x[x > 0]
    else:
        picked = x[x < 0] * 3
    return picked * picked


def found_in_rounds(x: Any) -> Any:
    total, i = x.sum() * 0, paddle.to_tensor(0)
    while i < 3:
        total = total + (x[x > i.astype("float32") / 2] ** 2).sum()
        i = i + 1
    return total


def written_over_what_it_selects(x: Any) -> Any:
    y = x * 1
    y[y > 0] = y[y > 0] * y[y > 0]
    return y


def counted_in_rounds(x: Any) -> Any:
    total, i = x.sum() * 0, paddle.to_tensor(0)
    while i < 3:
        total = total + (x * x).sum() * x[x > i.astype("float32") / 2].shape[0]
        i = i + 1
    return total


@pytest.mark.parametrize(
    "function",
    [
        written_over_what_it_selects, counted_in_rounds, of_the_branch_taken, squared_selection,
        products_of_rows, gathered, times_the_size, summed_in_a_loop, chosen_by_a_branch,
        found_in_rounds,
    ],
)  # fmt: skip
def test_gradients(function: Callable[..., Any]) -> None:
    def run(call: Callable[..., Any], array: Any) -> list[Any]:
        x = paddle.to_tensor(array, stop_gradient=False)
        found = call(x)
        parts = found if isinstance(found, tuple) else (found,)
        sum((one * one).sum() for one in parts).backward()
        return [*parts, x.grad]

    compiled = to_static(function)
    for array in INPUTS:
        ours, theirs = run(compiled, array), run(function, array)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=1e-5)


@settings(deadline=None)
@given(arrays(np.bool_, (5, 3)), arrays(np.bool_, 5))
def test_any_masks(mask: Any, rows: Any) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    found = MASKED(*map(paddle.to_tensor, (x, mask, rows)))
    wanted = [x[mask], x[rows], np.argwhere(mask), x[rows].sum(0), np.unique(x[mask] // 2)]
    assert_same(found, [np.asarray(one) for one in wanted])


def masked(x: Any, mask: Any, rows: Any) -> Any:
    part = x[rows]
    return x[mask], part, paddle.nonzero(mask), part.sum(axis=0), paddle.unique(x[mask] // 2)


MASKED = to_static(masked)


def test_threads_find_their_own_sizes() -> None:
    compiled = to_static(lambda x: (x[x > 0], x[x[:, 0] > 0].shape[0]))
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            rng = np.random.default_rng(number)
            for _ in range(50):
                x = rng.normal(size=(9, 3)).astype(np.float32)
                assert_same(compiled(paddle.to_tensor(x)), [x[x > 0], np.sum(x[:, 0] > 0)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_size_that_does_not_fit_names_the_line() -> None:
    @to_static
    def f(x: Any) -> Any:
        return x[x > 0] + x[x < 0]

    assert_same(f(paddle.to_tensor([1.0, -2.0])), np.array([-1], np.float32))
    with pytest.raises(
        InputError, match=r"x\[x > 0\] \+ x\[x < 0\](?s:.*)HERE(?s:.*)broadcast(?s:.*)3 and 2"
    ):
        f(paddle.to_tensor([1.0, 2.0, 3.0, -1.0, -1.0]))


def test_a_check_in_a_branch_that_is_not_taken_does_not_stop_the_call() -> None:
    @to_static
    def f(x: Any) -> Any:
        rows = x[x > 0]
        return rows.reshape([2, 2]).sum() if len(rows) == 4 else x.sum()

    for x in ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, -4.0]):
        assert f(paddle.to_tensor(x)).item() == sum(x)


def test_masks_fit_what_they_index() -> None:
    with pytest.raises(IndexError, match="target dimension is 3, but received 2"):
        to_static(lambda x, mask: x[mask])(paddle.ones([3]), paddle.ones([2]) > 0)


def test_what_has_no_bound_is_refused_with_a_way_out() -> None:
    with pytest.raises(OpError, match=r"no bound(?s:.*)scatter_nd_add"):
        to_static(paddle.bincount)(paddle.to_tensor([1, 2]))
    with pytest.raises(OpError, match="axis is not converted"):
        to_static(lambda x: paddle.unique(x, axis=0))(paddle.ones([2, 2]))
