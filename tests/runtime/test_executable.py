"""Executable: what a call accepts, gives and refuses, in one thread and in many."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest

from wherry.runtime.executable import Executable
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError, RunError
from wherry.schema.native import Signature, SymbolSource, TensorSpec


def rows(count: int) -> Any:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_any_batch_gives_the_result(executable: Executable, count: int) -> None:
    (y,) = executable([rows(count)])
    assert y.shape == (count, 3) and y.dtype == np.float32
    np.testing.assert_array_equal(y, rows(count) * 2 + np.float32(0.5))


def test_a_view_that_is_not_contiguous_is_copied(executable: Executable) -> None:
    wide = np.arange(30, dtype=np.float32).reshape(5, 6)
    for view in (wide[:, ::2], wide[:3, :3].T, rows(4)[::-1]):
        np.testing.assert_array_equal(executable([view])[0], view * 2 + np.float32(0.5))


def test_an_unaligned_input_is_copied(executable: Executable) -> None:
    raw = np.zeros(37, np.uint8)[1:].view(np.float32).reshape(3, 3)
    assert not raw.flags.aligned
    np.testing.assert_array_equal(executable([raw])[0], np.full((3, 3), 0.5))


def test_read_only_inputs_are_taken(executable: Executable) -> None:
    x = rows(2)
    x.flags.writeable = False
    np.testing.assert_array_equal(executable([x])[0], x * 2 + np.float32(0.5))


def test_persistables_are_read_anew_and_may_be_exchanged(
    executable: Executable, weight: Any
) -> None:
    weight[0] = 4
    assert executable([np.zeros((1, 3), np.float32)])[0][0, 0] == 4
    other = np.array([7.0, 8.0], np.float32)
    assert executable([np.zeros((1, 3), np.float32)], [other[::2]])[0][0, 0] == 7
    strided = other[::-1][:1]
    assert executable([np.zeros((1, 3), np.float32)], [strided])[0][0, 0] == 8


def refuse(executable: Executable, *arrays: Any) -> str:
    with pytest.raises(InputError) as caught:
        executable(list(arrays))
    return str(caught.value)


def test_what_does_not_fit_is_refused_by_name(executable: Executable) -> None:
    assert refuse(executable) == "tiny needs 1 input(s), x; got 0"
    assert refuse(executable, rows(2).astype("f8")) == "input 'x' needs dtype float32, got float64"
    assert refuse(executable, [[1.0]]) == "input 'x' needs a numpy array, got list"
    assert refuse(executable, np.zeros(3, "f4")) == "input 'x' needs 2 dims [-1, 3], got shape [3]"
    assert refuse(executable, np.zeros((2, 4), "f4")) == (
        "input 'x' needs shape [-1, 3], got [2, 4]: size 1 must be 3, not 4"
    )


def test_a_guard_that_fails_names_the_line(executable: Executable) -> None:
    assert refuse(executable, rows(1001)) == (
        "needs at most 1000 rows (size 0 of x is 1001)\n  at model.py:5: x = squeeze(x)"
    )


def test_one_symbol_has_one_value(jitted: Any) -> None:
    engine, plan, run = jitted
    f32 = as_dtype("float32")
    two = Signature(
        "two", [TensorSpec("x", f32, ("B",)), TensorSpec("y", f32, ("B",))],
        symbols=[SymbolSource("B", 0, 0)],
    )  # fmt: skip
    executable = Executable(two, plan, run, engine)
    assert refuse(executable, np.zeros(4, "f4"), np.zeros(5, "f4")) == (
        "inputs 'x' and 'y' need one size B: B is 4 in x and 5 in y"
    )


def test_a_symbol_may_be_the_size_of_a_persistable(jitted: Any) -> None:
    engine, plan, run = jitted
    f32 = as_dtype("float32")
    table = Signature(
        "table", [TensorSpec("x", f32, ("B", 3))], [TensorSpec("w", f32, ("B",))],
        [TensorSpec("y", f32, ("B", 3))], symbols=[SymbolSource("B", 1, 0)],
    )  # fmt: skip
    executable = Executable(table, plan, run, engine, [np.full(2, 0.5, np.float32)])
    np.testing.assert_array_equal(executable([rows(2)])[0], rows(2) * 2 + np.float32(0.5))
    assert "B is 3 in x and 2 in w" in refuse(executable, rows(3))
    grown = [np.full(3, 1.5, np.float32)]
    np.testing.assert_array_equal(executable([rows(3)], grown)[0], rows(3) * 2 + np.float32(1.5))


def test_a_persistable_is_checked_anew_where_an_input_tells_the_size(jitted: Any) -> None:
    engine, plan, run = jitted
    f32 = as_dtype("float32")
    table = Signature(
        "table", [TensorSpec("x", f32, ("B", 3))], [TensorSpec("w", f32, ("B",))],
        [TensorSpec("y", f32, ("B", 3))], symbols=[SymbolSource("B", 0, 0)],
    )  # fmt: skip
    executable = Executable(table, plan, run, engine, [np.full(2, 0.5, np.float32)])
    executable([rows(2)])
    with pytest.raises(InputError, match="B is 2 in x and 1 in w"):
        executable([rows(2)], [np.full(1, 0.5, np.float32)])


def test_threads_with_their_own_persistables_get_their_own_results(
    executable: Executable,
) -> None:
    weights = [np.array([i], np.float32) for i in range(8)]
    zeros, wrong = np.zeros((1, 3), np.float32), list[int]()

    def work(i: int) -> None:
        wrong.extend(i for _ in range(300) if executable([zeros], [weights[i]])[0][0, 0] != i)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        run_all([threading.Thread(target=work, args=(i,)) for i in range(8)])
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_an_error_in_the_data_names_op_line_and_value(executable: Executable) -> None:
    x = rows(3)
    x[1, 2] = -1
    with pytest.raises(RunError) as caught:
        executable([x])
    assert str(caught.value) == (
        "gather: index 99 is out of range, at element 5 of the indices\n"
        "  at model.py:7: y = table[x]"
    )
    np.testing.assert_array_equal(executable([rows(1)])[0], rows(1) * 2 + np.float32(0.5))


def test_many_threads_give_equal_results(executable: Executable) -> None:
    inputs = [np.random.default_rng(i).normal(size=(1 + i * 7, 3)).astype("f4") for i in range(16)]
    wrong: list[int] = []

    def work(i: int) -> None:
        want = inputs[i] * 2 + np.float32(0.5)
        wrong.extend(i for _ in range(50) if not np.array_equal(executable([inputs[i]])[0], want))

    run_all([threading.Thread(target=work, args=(i,)) for i in range(16)])
    assert not wrong


def test_memory_is_flat_over_any_sequence_of_shapes(executable: Executable) -> None:
    for count in (1000, *range(600), 1000):
        executable([rows(count)])
    (call,) = executable._idle
    assert call.arena_bytes == 12 * 1000
    assert len(executable._plans) <= 256


def count_calls(executable: Executable, x: Any) -> int:
    events: list[str] = []
    executable([x])
    sys.setprofile(lambda frame, event, arg: events.append(event))
    try:
        executable([x])
    finally:
        sys.setprofile(None)
    return sum(event in ("call", "c_call") for event in events)


def test_calls_do_not_grow_with_the_persistables(jitted: Any, executable: Executable) -> None:
    engine, plan, run = jitted
    small = count_calls(executable, rows(2))
    many = Signature(
        "many", executable.signature.inputs,
        [TensorSpec(f"w{i}", as_dtype("float32"), (1,)) for i in range(400)],
        executable.signature.outputs, symbols=executable.signature.symbols,
    )  # fmt: skip
    weights = [np.zeros(1, np.float32) for _ in range(400)]
    assert count_calls(Executable(many, plan, run, engine, weights), rows(2)) == small
    assert small < 60
