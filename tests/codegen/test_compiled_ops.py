"""Every sample of every declared op: compiled code gives what the reference gives.

All samples of an op are compiled as one Program, once with static sizes, once with a symbol for
each size > 1; then no reference may run and nothing is folded: the result is compiled code's own.
Even the smallest work is shared by threads, which changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import pytest
from op_samples import SAMPLED, Symbols, each, flat, map_slots, type_of

from wherry.codegen import jit, parallel
from wherry.ir.emit import BlockEmitter, run_reference
from wherry.ir.infer import TensorType
from wherry.ir.opdef import OPS, OpDef, Sample
from wherry.ir.program import Block, Program
from wherry.runtime import num_threads, set_num_threads

Array = np.ndarray[Any, Any]
TOLERANCE = {2: (2e-3, 1e-3), 4: (1e-5, 2e-6), 8: (1e-10, 1e-11)}


class Recorded:
    """The samples of one op in one Program."""

    def __init__(self, opdef: OpDef, symbolic: bool) -> None:
        self.opdef, self.symbols = opdef, Symbols(apart=True) if symbolic else None
        self.program = Program()
        self.inputs: list[Array] = []
        self.wanted: list[tuple[int, Sample, list[Array]]] = []
        for number, sample, arrays in each(opdef):
            self.add(number, sample, arrays)

    def add(self, number: int, sample: Sample, arrays: list[Any]) -> None:
        block = self.program.global_block
        if self.symbols:
            types = self.symbols.types(self.opdef.type, arrays)
        else:
            types = [map_slots(value, type_of) for value in arrays]
        args = [map_slots(value, lambda t: self.declare(block, t)) for value in types]
        results = BlockEmitter(block).emit(self.opdef, args, sample.attrs)
        block.results.extend(flat(list(self.opdef.result_slots(results).values())))
        self.inputs.extend(flat(arrays))
        want = self.opdef.result_slots(run_reference(self.opdef, arrays, sample.attrs))
        self.wanted.append((number, sample, flat(list(want.values()))))

    def declare(self, block: Block, type: TensorType) -> Any:
        return block.add_arg(f"x{len(block.args)}", type.shape, type.dtype)

    def compare(self, outputs: list[Array]) -> None:
        found = iter(outputs)
        for number, sample, wanted in self.wanted:
            for want in wanted:
                equal(next(found), want, sample, f"{self.opdef.type}, sample {number}")


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever can be shared by threads is."""
    monkeypatch.setattr(parallel, "SHARE_STEPS", 1)
    before = num_threads()
    yield
    set_num_threads(before)


def run(recorded: Recorded) -> None:
    """One, two and four threads give the references' values, and equal bits."""
    executable = jit(recorded.program)
    set_num_threads(1)
    alone = executable(recorded.inputs)
    recorded.compare(alone)
    for count in (2, 4):
        set_num_threads(count)
        for got, want in zip(executable(recorded.inputs), alone, strict=True):
            assert got.tobytes() == want.tobytes(), f"{recorded.opdef.type} on {count} threads"


def equal(got: Array, want: Array, sample: Sample, what: str) -> None:
    assert (got.shape, got.dtype) == (want.shape, want.dtype), what
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, what)
        return
    rtol, atol = TOLERANCE[want.dtype.itemsize]
    np.testing.assert_allclose(
        got.astype(np.float64), want.astype(np.float64),
        rtol=sample.rtol or rtol, atol=sample.atol or atol, err_msg=what,
    )  # fmt: skip


@pytest.mark.parametrize("type", SAMPLED)
def test_static_sizes(type: str) -> None:
    recorded = Recorded(OPS[type], symbolic=False)
    run(recorded)


@pytest.fixture
def forbid_references(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A function that replaces every reference with one that raises, until the test ends."""
    kept = {type: opdef.reference for type, opdef in OPS.items()}

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a reference ran")

    def forbid() -> None:
        for opdef in OPS.values():
            object.__setattr__(opdef, "reference", refuse)

    monkeypatch.setenv("WHERRY_DISABLE", "fold_constants")
    yield forbid
    for type, reference in kept.items():
        object.__setattr__(OPS[type], "reference", reference)


@pytest.mark.parametrize("type", SAMPLED)
def test_symbolic_sizes_without_references(
    type: str, forbid_references: Callable[[], None]
) -> None:
    recorded = Recorded(OPS[type], symbolic=True)
    forbid_references()
    run(recorded)
