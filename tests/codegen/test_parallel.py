"""Kernels on several threads: equal bits, own scratch memory, the first error; the pool's life."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from kernel_harness import build, reference

from wherry.codegen import jit, parallel
from wherry.codegen.builder import KernelBuilder
from wherry.codegen.kernels.registry import LOWERINGS, lowers
from wherry.codegen.pool import host_pool
from wherry.codegen.target import Target, emit_object
from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OPS, op
from wherry.ir.program import Program
from wherry.runtime import num_threads, set_num_threads
from wherry.runtime.threads import process
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import RunError

F32, I64 = as_dtype("float32"), as_dtype("int64")


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads for one test."""
    before = num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.fixture
def every_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets also the smallest work be shared."""
    monkeypatch.setattr(parallel, "SHARE_STEPS", 1)


@pytest.fixture
def mirrored() -> Iterator[None]:
    """An op whose kernel writes each row backwards, through scratch memory of a row's size.

    A negative element is an index out of range.
    """
    op("mirrored", "X", infer=lambda x: x, no_samples="of this test")

    @lowers("mirrored", scratch=lambda op: op.output().type.size * 8)
    def kernel(kb: KernelBuilder) -> None:
        x, out = kb.input("X"), kb.output()
        rows, columns = kb.dims_of(x.shape)
        spare = type(x)(kb, kb.scratch, x.dtype, (x.shape[1],))
        with kb.parallel(rows) as i:
            with kb.loop(columns) as j:
                value = x.load(i, j)
                kb.fail_if(kb.lt(value.value, 0), 1, kb.offset((i, j), x.strides), value.value)
                spare.store(value, kb.sub(kb.sub(columns, 1), j))
            with kb.loop(columns) as j:
                out.store(spare.load(j), i, j)

    yield
    del OPS["mirrored"], LOWERINGS["mirrored"]


def mirror(rows: Any, columns: Any) -> Program:
    program = Program()
    block = program.global_block
    x = block.add_arg("x", (rows, columns), I64)
    block.results.append(BlockEmitter(block).mirrored(x))
    return program


@pytest.mark.usefixtures("every_loop", "mirrored")
@pytest.mark.parametrize("sizes", [(37, 11), (symbol("R"), symbol("C")), (1, 5)])
def test_each_thread_has_its_own_scratch_memory(threads: Any, sizes: Any) -> None:
    run = jit(mirror(*sizes))
    static = [size if isinstance(size, int) else 50 for size in sizes]
    x = np.arange(static[0] * static[1]).reshape(static)
    for count in (1, 2, 4, 7):
        threads(count)
        for _ in range(20):
            np.testing.assert_array_equal(run([x])[0], x[:, ::-1])


@pytest.mark.usefixtures("every_loop")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "n"), [(1, 99), (7, 64), (70, 1), (1, 1)])
def test_threads_do_not_change_the_bits_of_a_product(
    threads: Any, dtype: str, m: int, n: int
) -> None:
    """Few rows by a transposed matrix, and dot products."""
    rng = np.random.default_rng(m)
    x, y = rng.normal(size=(m, 203)).astype(dtype), rng.normal(size=(n, 203)).astype(dtype)
    run = jit(build("matmul_v2", [x, y], trans_y=True))
    threads(1)
    want = run([x, y])[0]
    for count in (2, 4):
        threads(count)
        np.testing.assert_array_equal(run([x, y])[0], want)


@pytest.mark.usefixtures("every_loop", "mirrored")
def test_the_first_error_is_the_one_that_is_told(threads: Any) -> None:
    run = jit(mirror(200, 3))
    x = np.arange(600).reshape(200, 3)
    x[40:, 1] = -np.arange(40, 200)
    for count in (1, 2, 4):
        threads(count)
        for _ in range(20):
            with pytest.raises(RunError, match="index -40 is out of range, at element 121"):
                run([x])
    np.testing.assert_array_equal(run([abs(x)])[0], abs(x)[:, ::-1])


@pytest.mark.usefixtures("mirrored")
def test_small_work_stays_on_one_thread(threads: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not use the pool: this one is none."""
    threads(4)
    monkeypatch.setattr(process, "pool", 8)
    run = jit(mirror(symbol("R"), 4))
    x = np.arange(40).reshape(10, 4)
    np.testing.assert_array_equal(run([x])[0], x[:, ::-1])


class Recorder:
    """A pool of the calling thread alone; `shares` says how many were run for each kernel."""

    def __init__(self) -> None:
        self.shares: list[int] = []
        task_kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 3)

        def fork_join(pool: int, task: int, args: int, shares: int, threads: int) -> None:
            self.shares.append(shares)
            for share in range(shares):
                task_kind(task)(args, share, shares, 0)

        kinds = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2
        self.function = ctypes.CFUNCTYPE(None, *kinds)(fork_join)
        self.struct = ctypes.c_void_p(ctypes.cast(self.function, ctypes.c_void_p).value)
        self.address = ctypes.addressof(self.struct)


@pytest.fixture
def recorder(threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The pool of this test, for two threads."""
    threads(2)
    pool = Recorder()
    monkeypatch.setattr(process, "pool", pool.address)
    return pool


@pytest.fixture
def share_number() -> Iterator[None]:
    """An op whose elements are the number of the share that wrote them."""
    op("share_number", "X", infer=lambda x: x, no_samples="of this test")

    @lowers("share_number")
    def kernel(kb: KernelBuilder) -> None:
        out = kb.output()
        with kb.parallel(kb.dim(out.shape[0])) as i:
            out.store(kb.index_scalar(kb._share, I64), i)

    yield
    del OPS["share_number"], LOWERINGS["share_number"]


@pytest.mark.usefixtures("every_loop", "share_number")
@pytest.mark.parametrize("size", [27, symbol("N")])
def test_the_first_shares_are_the_longer_ones(recorder: Recorder, size: Any) -> None:
    program = Program()
    x = program.global_block.add_arg("x", (size,), I64)
    program.global_block.results.append(BlockEmitter(program.global_block).share_number(x))
    (found,) = jit(program)([np.zeros(27, np.int64)])
    assert recorder.shares == [8]
    assert np.bincount(found).tolist() == [4, 4, 4, 3, 3, 3, 3, 3]


@pytest.mark.usefixtures("every_loop")
@pytest.mark.parametrize(
    ("type", "shapes", "attrs"),
    [
        ("conv2d", [(1, 8, 20, 20), (16, 8, 1, 1)], {}),
        ("conv2d", [(1, 8, 20, 20), (16, 8, 3, 3)], {"paddings": [1, 1]}),
        ("conv2d", [(3, 8, 6, 6), (16, 4, 3, 3)], {"paddings": [1, 1], "groups": 2}),
        ("conv2d_input_grad", [(16, 8, 3, 3), (1, 16, 18, 18)], {"input_size": [20, 20]}),
        ("conv2d_filter_grad", [(2, 8, 20, 20), (2, 16, 18, 18)], {"filter_size": [3, 3]}),
    ],
)
def test_convolutions_as_products_are_shared(
    recorder: Recorder, type: str, shapes: Any, attrs: Any
) -> None:
    rng = np.random.default_rng(len(type))
    inputs = [rng.normal(size=shape) for shape in shapes]
    (got,) = jit(build(type, inputs, **attrs))(inputs)
    assert recorder.shares == [8]
    want = reference(type, inputs, **attrs)[0]
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


COUNTING = """
define void @task(ptr %args, i64 %share, i64 %shares, i64 %thread) {
  %place = getelementptr i64, ptr %args, i64 %share
  %old = load i64, ptr %place
  %new = add i64 %old, 1
  store i64 %new, ptr %place
  ret void
}
"""


def fork() -> int:
    with warnings.catch_warnings():  # newer Pythons warn of what is tested here
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Pool:
    """Calls fork_join with a task that counts the rounds of each share."""

    def __init__(self) -> None:
        self.engine = llvm.create_lljit_compiler(Target.host().machine())
        library = llvm.JITLibraryBuilder().add_object_img(emit_object(COUNTING, Target.host()))
        self.tracker = library.export_symbol("task").link(self.engine, "counting")
        self.address = host_pool()
        first = ctypes.c_int64.from_address(self.address).value
        kinds = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2
        self.fork_join = ctypes.CFUNCTYPE(None, *kinds)(first)

    def run(self, shares: int, threads: int, times: int = 1) -> list[int]:
        """How often each share was run."""
        counts = (ctypes.c_int64 * shares)()
        for _ in range(times):
            self.fork_join(
                self.address, self.tracker["task"], ctypes.addressof(counts), shares, threads
            )
        return list(counts)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool()


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize("shares", [1, 2, 64])
def test_every_share_runs_once(pool: Pool, shares: int, threads: int) -> None:
    assert pool.run(shares, threads, 50) == [50] * shares


def test_a_caller_who_finds_the_pool_busy_works_alone(pool: Pool) -> None:
    """Then it does one share of one: all rounds in a row."""
    found: list[list[int]] = []
    callers = [
        threading.Thread(target=lambda: found.append(pool.run(8, 3, 2000))) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(600)
    assert len(found) == 4
    for first, *others in found:
        assert first == 2000
        assert len(set(others)) == 1


def test_idle_threads_sleep(pool: Pool) -> None:
    pool.run(8, 4)
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_a_child_process_has_threads_of_its_own(pool: Pool) -> None:
    pool.run(8, 3)
    for _ in range(3):
        child = fork()
        if not child:
            alone = len(os.listdir("/proc/self/task")) == 1
            right = pool.run(8, 3, 100) == [100] * 8
            os._exit(0 if alone and right and len(os.listdir("/proc/self/task")) == 3 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.run(8, 3, 10) == [10] * 8


def test_a_process_forks_while_its_pool_is_busy(pool: Pool) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            pool.run(4, 2)

    worker = threading.Thread(target=busy)
    worker.start()
    try:
        for _ in range(20):
            child = fork()
            if not child:
                os._exit(0 if pool.run(8, 2, 20) == [20] * 8 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        worker.join()


@pytest.mark.parametrize("end", ["", "import sys; sys.exit(3)", "import os; os._exit(3)"])
def test_a_process_with_a_pool_ends(end: str) -> None:
    """At once, also while the threads still look for work."""
    code = (
        "import ctypes\n"
        "from wherry.codegen.pool import host_pool\n"
        "from wherry.codegen.target import Target\n"
        "address = host_pool()\n"
        "join = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)(\n"
        "    ctypes.c_int64.from_address(address).value)\n"
        "task = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda args: None)\n"
        "join(address, ctypes.cast(task, ctypes.c_void_p).value, None, 1, 4)\n" + end
    )
    ended = subprocess.run([sys.executable, "-c", code], timeout=600, capture_output=True)
    assert ended.returncode == (3 if end else 0), ended.stderr
