"""What compiled code asks of its caller: memory, printing, and the error record."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from wherry.runtime import abi
from wherry.runtime.executable import Executable
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc, RunError
from wherry.schema.native import Signature, Site, SymbolSource, TensorSpec

# x is int64[N]. Copies x to memory from alloc, prints the copy, and returns x[0] as an error code
# with index 5 and value 6. x[1] says whether the memory is given back.
TEXT = """
define i32 @plan(ptr %dims, ptr %out, ptr %arena) {
  store i64 0, ptr %arena
  ret i32 0
}

define i32 @run(ptr %ctx) {
  %in.at = getelementptr i64, ptr %ctx, i64 11
  %in = load ptr, ptr %in.at
  %dims.at = getelementptr i64, ptr %ctx, i64 13
  %dims = load ptr, ptr %dims.at
  %x = load ptr, ptr %in
  %n = load i64, ptr %dims
  %bytes = mul i64 %n, 8
  %alloc.at = getelementptr i64, ptr %ctx, i64 2
  %alloc = load ptr, ptr %alloc.at
  %copy = call ptr %alloc(ptr %ctx, i64 %bytes)
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %x, i64 %bytes, i1 false)
  %print.at = getelementptr i64, ptr %ctx, i64 4
  %print = load ptr, ptr %print.at
  call void %print(ptr %ctx, i64 1, i64 3, i64 1, ptr %dims, ptr %copy)
  %second = getelementptr i64, ptr %x, i64 1
  %flag = load i64, ptr %second
  %give = icmp ne i64 %flag, 0
  br i1 %give, label %back, label %end
back:
  %free.at = getelementptr i64, ptr %ctx, i64 3
  %free = load ptr, ptr %free.at
  call void %free(ptr %ctx, ptr %copy)
  br label %end
end:
  %site = getelementptr i64, ptr %ctx, i64 6
  store i64 0, ptr %site
  %index = getelementptr i64, ptr %ctx, i64 8
  store i64 5, ptr %index
  %value = getelementptr i64, ptr %ctx, i64 9
  store i64 6, ptr %value
  %code = load i64, ptr %x
  %code32 = trunc i64 %code to i32
  ret i32 %code32
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


@pytest.fixture(scope="module")
def engine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(TEXT), machine)
    engine.finalize_object()
    return engine


@pytest.fixture
def executable(engine: Any) -> Executable:
    failing = Site("assert", Loc("net.py", 4, "assert ok"), "x is wrong")
    signature = Signature(
        "calls",
        [TensorSpec("x", as_dtype("int64"), ("N",))],
        symbols=[SymbolSource("N", 0, 0)],
        sites=[failing, Site("print", None, "x:")],
    )
    plan, run = (engine.get_function_address(name) for name in ("plan", "run"))
    return Executable(signature, plan, run, engine)


def test_memory_and_printing(executable: Executable, capsys: Any) -> None:
    for flag in (0, 1, 0):
        assert executable([np.array([0, flag, 7])]) == []
        assert capsys.readouterr().out == f"x:\n[0 {flag} 7]\n"
    (call,) = executable._idle
    assert not call.heap, "what the code did not give back goes when the call ends"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (abi.ERROR_INDEX, "assert: index 6 is out of range, at element 5 of the indices"),
        (abi.ERROR_DIVISION, "assert: integer division by zero, at element 5"),
        (abi.ERROR_ASSERT, "x is wrong"),
        (abi.ERROR_MEMORY, "assert: out of memory: 6 bytes could not be allocated"),
        (77, "assert: stopped with code 77"),
    ],
)
def test_an_error_record_becomes_an_exception(
    executable: Executable, code: int, message: str
) -> None:
    with pytest.raises(RunError) as caught:
        executable([np.array([code, 1])])
    assert str(caught.value) == f"{message}\n  at net.py:4: assert ok"


def test_an_error_while_printing_comes_out_of_the_call(
    executable: Executable, monkeypatch: Any
) -> None:
    class Closed:
        def write(self, text: str) -> None:
            raise BrokenPipeError("closed")

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError, match="closed"):
        executable([np.array([0, 1])])
    monkeypatch.undo()
    assert executable([np.array([0, 1])]) == []
