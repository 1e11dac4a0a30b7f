"""What compiling and dropping models leaves behind: nothing."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

import wherry as paddle
from wherry import nn
from wherry.codegen.target import Target, emit_here
from wherry.jit import to_static

KERNEL = """
define void @scale(ptr %x, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = getelementptr float, ptr %x, i64 %i
  %value = load float, ptr %at
  %scaled = fmul float %value, 2.0
  store float %scaled, ptr %at
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""


def resident() -> int:
    """The KB of memory that this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' /proc")
def test_a_compilation_gives_its_memory_back() -> None:
    """LLVM's passes alone are some 40 KB, if nobody frees them."""
    for _ in range(20):
        emit_here(KERNEL, Target.host())
    before = resident()
    for _ in range(100):
        emit_here(KERNEL, Target.host())
    assert resident() - before < 1000


def trained() -> Any:
    """A static net after a step of training and a call for inference."""
    net = to_static(nn.Linear(3, 2))
    net(paddle.ones([4, 3])).sum().backward()
    with paddle.no_grad():
        net(paddle.ones([4, 3]))
    return net


def test_code_goes_with_its_last_model_and_the_weights_too() -> None:
    with paddle.utils.unique_name.guard():
        net = trained()
    with paddle.utils.unique_name.guard():
        other = trained()  # the same Programs: the code of the two is one
    first, second = (weakref.ref(one.weight.array) for one in (net, other))
    runner = net.forward._programs.last.runner
    code = weakref.ref(runner.plain[0])
    assert other.forward._programs.last.runner.plain[0] is code()
    del net, runner
    gc.collect()
    assert code() is not None and second() is not None
    del other
    gc.collect()
    assert code() is None and first() is None and second() is None
