"""Object code for each ISA level: it exists, needs nothing, and one file holds several levels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

import wherry.runtime
from wherry.codegen import Target, build_shared_object, compile_count, compile_program, jit
from wherry.codegen.target import emit_object
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.interp import run_program
from wherry.ir.opdef import op
from wherry.ir.program import Program
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import InputError, Loc, TargetError, UnknownOpError

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"]
F32 = as_dtype("float32")


def network() -> Program:
    """A bit of everything: a matmul, a softmax, transcendentals, integers, float16."""
    program = Program()
    block = program.global_block
    rng = np.random.default_rng(0)
    x = block.add_arg("x", (symbol("B"), 12), F32)
    w = program.add_constant("w", rng.normal(size=(12, 5)).astype(np.float32), F32)
    F = BlockEmitter(block)
    h = F.softmax(F.gelu(F.matmul_v2(x, w)))
    low = F.cast(F.sin(h), out_dtype=as_dtype("float16"))
    block.results.extend([h, low, F.cast(F.floor(F.exp(h)), out_dtype=as_dtype("int64"))])
    return program


@pytest.mark.parametrize("level", LEVELS)
def test_objects_need_no_library(level: str) -> None:
    program = network()
    compiled = compile_program(program, embed=program.values, target=Target.named(level))
    shown = undefined(compiled.object_code)
    assert shown <= {"wherry_weights", "memcpy", "memset", "memmove"}


def undefined(object_code: bytes) -> set[str]:
    """The symbols that an object expects from elsewhere."""
    from wherry.codegen.elf_object import read_object

    relocations = [r for chunk in read_object(object_code).chunks for r in chunk.relocations]
    return {r.symbol.name for r in relocations if r.symbol.chunk is None and not r.symbol.is_local}


def test_one_file_serves_every_batch(tmp_path: Path) -> None:
    program = network()
    before = compile_count()
    path = tmp_path / "net.so"
    path.write_bytes(build_shared_object(program, program.values, supported_levels(), "net"))
    model = wherry.runtime.load(path)
    for rows in (0, 1, 7, 1000):
        x = np.random.default_rng(rows).normal(size=(rows, 12)).astype(np.float32)
        want, _ = run_program(program, [x], program.values)
        for got, other in zip(model(x), want, strict=True):
            np.testing.assert_allclose(got, other, rtol=2e-3 if got.itemsize == 2 else 1e-5)
    assert compile_count() == before + 1


def test_a_target_that_there_is_not() -> None:
    with pytest.raises(TargetError, match="no target 'z80'; there are x86-64-v2"):
        Target.named("z80")


def test_a_shared_object_needs_all_values() -> None:
    with pytest.raises(InputError, match="values for the persistables w"):
        program = network()
        program.values.clear()
        build_shared_object(program, {}, ["x86-64-v2"])


def test_a_program_that_writes_is_not_served() -> None:
    program = Program()
    block = program.global_block
    state = program.add_constant("state", np.zeros(2, np.float32), F32)
    x = block.add_arg("x", (2,), F32)
    BlockEmitter(block).assign_persistable(x, state)
    with pytest.raises(InputError, match=r"writes state: save .* without random numbers"):
        build_shared_object(program, program.values, ["x86-64-v2"])


def test_an_op_without_lowering_is_named_with_its_line() -> None:
    from wherry.ir.opdef import OPS

    op("only_declared", "X", infer=lambda x: x, no_samples="of this test")
    try:
        program = Program()
        block = program.global_block
        F = BlockEmitter(block, Loc("net.py", 4, "y = strange(x)"))
        block.results.append(F.only_declared(block.add_arg("x", (2,), F32)))
        with pytest.raises(UnknownOpError, match=r"'only_declared'(.|\n)*net\.py:4"):
            jit(program)
    finally:
        del OPS["only_declared"]


def test_what_llvm_cannot_do_for_another_machine_is_an_error() -> None:
    """It aborts the process that it runs in, which is not this one."""
    other = Target.named("x86-64-v2" if Target.host().architecture == "aarch64" else "aarch64")
    with pytest.raises(TargetError, match=f"cannot emit this code for {other.name}"):
        emit_object('define void @f() { call void asm "nop", ""()  ret void }', other)


def test_the_host_is_a_target_of_llvm() -> None:
    assert Target.host().triple == llvm.get_process_triple()


def test_without_llvmlite_the_error_names_the_pip_command() -> None:
    code = (
        "import sys; sys.modules['llvmlite'] = None\n"
        "import wherry.codegen\n"
        "try: wherry.codegen.jit\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "CompilerMissingError" in shown.stdout
    assert "pip install 'wherry[compile]'" in shown.stdout


@pytest.mark.parametrize(("level", "text"), [("1", " ms"), ("3", "define "), ("4", ".text")])
def test_what_the_compiler_makes_can_be_seen(
    level: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHERRY_DEBUG", level)
    jit(network())
    assert text in capsys.readouterr().err
