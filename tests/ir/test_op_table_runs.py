"""Every declared op, every sample: saved, folded, through the passes and from a shared object.

All give what the reference gives; the JIT's results are in tests/codegen/test_compiled_ops.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from op_samples import SAMPLED, Symbols, each, flat, map_slots, type_of

import wherry.runtime
from wherry.codegen import build_shared_object
from wherry.ir.emit import BlockEmitter, run_reference
from wherry.ir.infer import TensorType
from wherry.ir.interp import run_program
from wherry.ir.opdef import OPS, Sample
from wherry.ir.passes import prepare_for_codegen
from wherry.ir.passes.fold_constants import FoldConstants
from wherry.ir.program import Program
from wherry.ir.serialize import load_program, save_program
from wherry.ir.text import equal
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import as_dtype

GROUPS = 24  # shared objects that hold all samples: few to build, small enough to compile quickly
RTOL = {2: 4e-3, 4: 2e-5, 8: 1e-11}  # by the size of a float


class Case(NamedTuple):
    """Samples as one Program: its inputs, and for each output what is wanted of which sample."""

    program: Program
    inputs: list[Any]
    wanted: list[tuple[str, Sample, Any]]

    def check(self, found: list[Any]) -> None:
        for array, (what, sample, wanted) in zip(found, self.wanted, strict=True):
            assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype), what
            rtol = RTOL[wanted.dtype.itemsize] if wanted.dtype.kind == "f" else 0
            np.testing.assert_allclose(
                array, wanted, rtol=sample.rtol or rtol, atol=sample.atol or rtol, err_msg=what
            )


def recorded(names: list[str], constant: bool = False, symbolic: bool = True) -> Case:
    """The samples of these ops in one Program: sizes as symbols or not, or inputs as constants."""
    case, symbols = Case(Program(), [], []), Symbols(apart=True)
    program, block = case.program, case.program.global_block
    for name in names:
        for number, sample, arrays in each(OPS[name]):

            def argument(given: TensorType) -> Any:
                return block.add_arg(program.unique("x"), given.shape, given.dtype)

            def value(array: Any) -> Any:
                return program.add_constant("c", array, as_dtype(array.dtype))

            types = symbols.types(name, arrays) if symbolic else map_slots(arrays, type_of)
            inputs = map_slots(arrays, value) if constant else map_slots(types, argument)
            block.results.extend(flat(BlockEmitter(block).emit(OPS[name], inputs, sample.attrs)))
            wanted = flat(run_reference(OPS[name], arrays, sample.attrs))
            case.wanted.extend((f"{name}[{number}]", sample, array) for array in wanted)
            case.inputs.extend(() if constant else flat(arrays))
    return case


@pytest.mark.parametrize("name", SAMPLED)
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    case = recorded([name])
    save_program(tmp_path / "net", case.program)
    loaded, _ = load_program(tmp_path / "net")
    assert equal(loaded, case.program)
    case.check(run_program(loaded, case.inputs)[0])


@pytest.mark.parametrize("name", SAMPLED)
def test_folded(name: str) -> None:
    """With constants as inputs everything is computed by the pass."""
    case = recorded([name], constant=True)
    FoldConstants(inference=True).run(case.program)
    case.check(run_program(case.program, [])[0])


@pytest.mark.parametrize("name", SAMPLED)
def test_through_the_passes(name: str) -> None:
    """Decomposed and fused, still interpreted."""
    case = recorded([name])
    prepared = prepare_for_codegen(case.program, inference=False)
    case.check(run_program(prepared, case.inputs)[0])


@pytest.mark.parametrize("group", range(GROUPS))
def test_shared_object(group: int, tmp_path: Path) -> None:
    """Every sample of every GROUPS-th op, in one file that the runtime loads.

    Static sizes and the plainest level: symbols, and all that this machine has, are the JIT's part.
    """
    case = recorded(SAMPLED[group::GROUPS], symbolic=False)
    path = tmp_path / "ops.so"
    path.write_bytes(build_shared_object(case.program, {}, supported_levels()[-1:]))
    case.check(wherry.runtime.load(path).run(case.inputs))
