"""The machine's limits, measured: fused multiply-adds a second, and moving bytes.

Both kernels are LLVM IR, because what numpy reaches is not the limit.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

CHAINS = 12  # independent sums: latency times throughput of FMA on today's cores
BLOCK = 128  # floats moved in one step of the loops below
LOOP = """
define void @{name}(ptr %to, ptr %from, i64 %steps, i64 %rounds) {{
entry:
  br label %round
round:
  %r = phi i64 [0, %entry], [%r1, %end]
  br label %step
step:
  %i = phi i64 [0, %round], [%i1, %step]
{phis}
  %offset = mul i64 %i, {stride}
{body}
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %steps
  br i1 %more, label %step, label %end
end:
{after}
  %r1 = add i64 %r, 1
  %again = icmp ult i64 %r1, %rounds
  br i1 %again, label %round, label %done
done:
  ret void
}}
"""


def vector_type(lanes: int) -> str:
    return f"<{lanes} x float>"


def fma_source(lanes: int) -> str:
    """Chains of `s = s * s + s`, kept by storing the sums at the end."""
    v = vector_type(lanes)
    suffix = f"v{lanes}f32"
    chains = range(CHAINS)
    loop = LOOP.format(
        name="fma",
        stride=0,
        phis="\n".join(
            f"  %s{c} = phi {v} [zeroinitializer, %round], [%t{c}, %step]" for c in chains
        ),
        body="\n".join(
            f"  %t{c} = call {v} @llvm.fma.{suffix}({v} %s{c}, {v} %s{c}, {v} %s{c})"
            for c in chains
        ),
        after="\n".join(f"  store volatile {v} %t{c}, ptr %to, align 4" for c in chains),
    )
    return f"declare {v} @llvm.fma.{suffix}({v}, {v}, {v})\n{loop}"


def stream_source(name: str, lanes: int) -> str:
    """`copy` reads and writes, `read` sums what it reads, `fill` writes: BLOCK floats a step."""
    v = vector_type(lanes)
    parts = range(BLOCK // lanes)
    phis, body, after = [], [], []
    for p in parts:
        at = f"  %p{p} = add i64 %offset, {p * lanes}"
        source = f"  %f{p} = getelementptr float, ptr %from, i64 %p{p}"
        load = f"  %x{p} = load {v}, ptr %f{p}, align 4"
        target = f"  %d{p} = getelementptr float, ptr %to, i64 %p{p}"
        value = f"%x{p}" if name == "copy" else "zeroinitializer"
        store = f"  store {v} {value}, ptr %d{p}, align 4"
        if name == "read":
            phis.append(f"  %s{p} = phi {v} [zeroinitializer, %round], [%t{p}, %step]")
            body += [at, source, load, f"  %t{p} = fadd {v} %s{p}, %x{p}"]
            after.append(f"  store volatile {v} %t{p}, ptr %to, align 4")
        else:
            body += [at, *([source, load] if name == "copy" else []), target, store]
    lines = {"phis": "\n".join(phis), "body": "\n".join(body), "after": "\n".join(after)}
    return LOOP.format(name=name, stride=BLOCK, **lines)


class Machine:
    """Runs the kernels on so many threads; the caller has pinned the process to as many CPUs."""

    def __init__(self, threads: int) -> None:
        self.threads, self.pool = threads, ThreadPoolExecutor(threads)
        self.peak = 0.0
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        self.lanes = 16 if features.get("avx512f") else 8 if features.get("avx") else 4
        # LLVM splits 512-bit vectors on some CPUs unless it is told not to.
        wanted = features.flatten() + (",-prefer-256-bit" if self.lanes == 16 else "")
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=wanted, opt=2
        )
        names = ("copy", "read", "fill")
        source = fma_source(self.lanes) + "".join(stream_source(n, self.lanes) for n in names)
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source), target)
        self.engine.finalize_object()
        self.functions = {name: self.function(name) for name in ("fma", *names)}
        self.touched = cache(self.measure_touch)

    def function(self, name: str) -> Any:
        kind = ctypes.CFUNCTYPE(
            None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        )
        return kind(self.engine.get_function_address(name))

    def on_all(self, work: Callable[[int], object]) -> None:
        """`work(number)` on each thread at once."""
        if self.threads == 1:
            work(0)
        else:
            list(self.pool.map(work, range(self.threads)))

    def flops_per_us(self) -> float:
        """FLOPs a microsecond of all threads, the best of all short runs so far."""
        sums = np.zeros((self.threads, 64), np.float32)
        steps = 40_000 * self.threads  # starting the threads must not count

        def multiply(number: int) -> None:
            self.functions["fma"](sums[number].ctypes.data, None, steps, 1)

        best = best_us(lambda: self.on_all(multiply), 10)
        self.peak = max(self.peak, steps * CHAINS * self.lanes * 2 * self.threads / best)
        return self.peak

    def touch_us(self, read: int, written: int) -> float:
        """The least time to read and to write so many bytes, again and again, in microseconds.

        Each thread moves its part, in memory of its own.
        """
        part = 4 * BLOCK * self.threads
        return self.touched(-(-read // part), -(-written // part))

    def measure_touch(self, read: int, written: int) -> float:
        """The same in blocks for each thread."""
        sources = np.zeros((self.threads, max(read, 1) * BLOCK), np.float32)
        targets = np.zeros((self.threads, max(written, 1) * BLOCK), np.float32)
        both, step = min(read, written), 4 * BLOCK
        rest = "read" if read > written else "fill"
        rounds = max(1, 200_000 // (read + written))

        def move(number: int) -> None:
            origin, target = sources[number].ctypes.data, targets[number].ctypes.data
            if both:
                self.functions["copy"](target, origin, both, rounds)
            if read != written:
                # The rest lies behind what was copied; a read stores its sums over the start.
                to = target + (0 if rest == "read" else both * step)
                self.functions[rest](to, origin + both * step, abs(read - written), rounds)

        return best_us(lambda: self.on_all(move), 5) / rounds


def best_us(call: Callable[[], object], times: int) -> float:
    """The shortest of several calls, in microseconds: a limit is what nothing disturbs."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best * 1e6
