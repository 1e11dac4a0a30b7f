"""Calls compiled code: checks the inputs, plans, allocates, runs, and raises its errors.

The compiler in-process and the loaded shared object share this path. What happens per call in
Python does not grow with the network: one pass over the inputs and outputs, and one native call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy import empty, ndarray

from wherry.schema.dtypes import DType, dtype_from_code
from wherry.schema.errors import InputError, RunError
from wherry.schema.native import Signature
from wherry.schema.output import show

from . import abi, host, interrupt, threads
from .address import address_of
from .checks import READY, Array, check_inputs, persistable_table, show_values
from .failure import error_at, run_error

# Shapes whose plans are kept. More than a service sees; little memory if it sees more.
_KEPT_PLANS: Final = 256
_NOTHING: Final[Mapping[int, int]] = MappingProxyType({})


class _Plan:
    """What one set of input shapes needs: symbol values, the outputs' shapes, the arena's bytes.

    `spare_bytes` is what the arena needs in addition for each thread but the first.
    """

    __slots__ = ("address", "arena_bytes", "dims", "outputs", "spare_bytes")

    def __init__(
        self, dims: Any, outputs: list[tuple[int, Any, Any]], memory: Sequence[int]
    ) -> None:
        self.dims, self.address = dims, ctypes.addressof(dims)
        self.outputs = outputs
        self.arena_bytes, self.spare_bytes = memory


class _Binding:
    """The persistables' arrays and addresses; `loose` are to be copied at each call.

    `shapes` are those that a plan depends on.
    """

    __slots__ = ("addresses", "arrays", "loose", "shapes")

    def __init__(self, signature: Signature, arrays: Sequence[Array]) -> None:
        self.arrays = tuple(arrays)
        self.addresses, self.loose = persistable_table(signature, arrays)
        pairs = zip(signature.persistables, self.arrays, strict=True)
        self.shapes = tuple(
            a.shape for spec, a in pairs if any(isinstance(dim, str) for dim in spec.dims)
        )

    def copy_loose(self, sources: Any, first: int) -> list[Array]:
        """Copies of those that native code cannot read as they are, entered from `first` on."""
        copies = [(place, plain(array)) for place, array in self.loose]
        for place, copy in copies:
            sources[first + place] = address_of(copy)
        return [copy for _, copy in copies]


class _Call:
    """What one call at a time owns: the pointer tables, the ctx with its callbacks, the arena.

    It is kept for the next one: `shapes`, `binding` and `plan` are what it was made ready for.
    """

    def __init__(self, signature: Signature) -> None:
        sources = len(signature.inputs) + len(signature.persistables)
        self.sources: Any = (ctypes.c_int64 * sources)()
        self.targets: Any = (ctypes.c_int64 * (len(signature.outputs) + len(signature.assigned)))()
        self.signature = signature
        self.shapes: list[tuple[int, ...]] | None = None
        self.binding: _Binding | None = None
        self.plan: Any = None
        self.threads = 1
        # Where a call finds sizes: the values of symbols, its own, and the outputs' sizes.
        self.dims: Any = None
        self.sizes: Any = None
        self.failure: BaseException | None = None
        self.heap: dict[int, Any] = {}
        self._callbacks = (
            abi.AllocFunction(self._alloc),
            abi.FreeFunction(self._free),
            abi.PrintFunction(self._print),
            abi.HostFunction(self._host),
        )
        self.ctx = abi.Ctx(abi.VERSION, 0, *(_code_address(f) for f in self._callbacks))
        self.ctx.inputs, self.ctx.outputs = map(ctypes.addressof, (self.sources, self.targets))
        self.ctx.signals = interrupt.QUIET
        self.address = ctypes.addressof(self.ctx)
        self.reserve(0)

    def reserve(self, bytes_: int) -> None:
        """An arena of at least so many bytes. It only grows: memory is flat over any shapes.

        It begins with zeros: nothing has been laid out in it.
        """
        self.arena_bytes = bytes_
        self._arena = np.zeros(bytes_ + abi.ARENA_ALIGNMENT, np.uint8)
        self.ctx.arena = -(-address_of(self._arena) // abi.ARENA_ALIGNMENT) * abi.ARENA_ALIGNMENT

    def make_ready(self, plan: _Plan, threads: int, pool: int) -> None:
        """Take a plan's sizes, and memory for it on so many threads."""
        self.plan, self.threads = plan, threads
        self.ctx.dims, self.ctx.threads, self.ctx.pool = plan.address, threads, pool
        if self.signature.found:
            self.dims = type(plan.dims).from_buffer_copy(plan.dims)
            self.sizes = (ctypes.c_int64 * sum(len(shape) for _, shape, _ in plan.outputs))()
            self.ctx.dims, self.ctx.sizes = map(ctypes.addressof, (self.dims, self.sizes))
        needed = plan.arena_bytes + (threads - 1) * plan.spare_bytes
        if self.arena_bytes < needed:
            self.reserve(needed)

    def cut(self, results: Sequence[Array]) -> None:
        """Give the results, which are as large as they may be, the sizes that the call found."""
        at = 0
        for result in results:
            shape = tuple(self.sizes[at : at + result.ndim])
            at += result.ndim
            if shape != result.shape:
                result.resize(shape, refcheck=False)

    def finish(self) -> None:
        """Drop what the call left on its heap; raise what a callback raised."""
        self.heap.clear()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def _alloc(self, _ctx: int, bytes_: int) -> int:
        try:
            block = np.empty(bytes_ + abi.ARENA_ALIGNMENT, np.uint8)
        except MemoryError:
            return 0
        address = -(-address_of(block) // abi.ARENA_ALIGNMENT) * abi.ARENA_ALIGNMENT
        self.heap[address] = block
        return address

    def _free(self, _ctx: int, address: int) -> None:
        self.heap.pop(address, None)

    def _print(self, _ctx: int, site: int, code: int, ndim: int, dims: Any, data: int) -> None:
        try:
            array = _array_at(data, tuple(dims[:ndim]), dtype_from_code(code))
            message = self.signature.sites[site].message
            show(*([message] if message else []), array, sep="\n" if ndim else " ")
        except BaseException as error:  # ctypes would swallow it: `finish` raises it after the call
            self.failure = error

    def _host(self, _ctx: int, site: int, table: Any) -> int:
        where = self.signature.sites[site]
        try:
            host.compute(where.op, where.message, table)
        except BaseException as error:  # `finish` raises it after the call
            if isinstance(error, RunError):
                error = error_at(RunError, f"{where.op}: {error}", where.loc)
            self.failure = error
            return abi.ERROR_HOST
        return 0


class Executable:
    """A compiled function: call it with a list of numpy arrays, get a list of numpy arrays.

    It may be called from several threads at once. `persistable_arrays` are read anew by each call,
    in place; after the call those that the Signature assigns hold their new values. `keepalive` is
    whatever owns the machine code. `pool` gives the address of a thread pool, should the process
    have none yet; without it calls run on one thread. If it `has_loops`, Ctrl-C ends them.
    `overwrites` are the outputs, by number, that are written to an input's array; they are no
    results.
    """

    def __init__(
        self,
        signature: Signature,
        plan_address: int,
        run_address: int,
        keepalive: object = None,
        persistable_arrays: Sequence[Array] = (),
        pool: Callable[[], int] | None = None,
        has_loops: bool = False,
        overwrites: Mapping[int, int] = _NOTHING,
    ) -> None:
        self._has_loops = has_loops
        self._overwrites = overwrites
        self.signature = signature
        self._pool = pool
        self._keepalive = keepalive
        self._plan = abi.PlanFunction(plan_address)
        self._run = abi.RunFunction(run_address)
        self._dtypes = [spec.dtype.numpy for spec in signature.inputs]
        by_name = {spec.name: i for i, spec in enumerate(signature.persistables)}
        self._assigned = [by_name[name] for name in signature.assigned]
        self._output_specs = [
            *signature.outputs, *(signature.persistables[i] for i in self._assigned)
        ]  # fmt: skip
        self._binding = _Binding(signature, persistable_arrays)
        self._plans: dict[tuple[Any, ...], _Plan] = {}
        self._idle: list[_Call] = []
        self._finds = bool(signature.found)

    @property
    def persistable_arrays(self) -> tuple[Array, ...]:
        """The arrays that are read where a call names no others."""
        return self._binding.arrays

    def __call__(
        self, arrays: Sequence[Array], persistables: Sequence[Array] | None = None
    ) -> list[Array]:
        """The outputs for these inputs. The persistables that are assigned are written in place.

        Raises InputError for inputs that do not fit the signature, RunError for an error in the
        data.
        """
        if not self._assigned:
            return self._invoke(arrays, persistables)
        outputs, new_values = self.call(arrays, persistables)
        targets = self._binding.arrays if persistables is None else persistables
        for index, value in zip(self._assigned, new_values, strict=True):
            np.copyto(targets[index], value)
        return outputs

    def call(
        self, arrays: Sequence[Array], persistables: Sequence[Array] | None = None
    ) -> tuple[list[Array], list[Array]]:
        """The outputs, and the new values of the assigned persistables, which stay as they are."""
        results = self._invoke(arrays, persistables)
        if not self._assigned:
            return results, []
        count = len(self.signature.outputs)
        return results[:count], results[count:]

    def _invoke(self, arrays: Sequence[Array], persistables: Sequence[Array] | None) -> list[Array]:
        """All results. What is done here is done at each call: it is short, and calls little."""
        binding = self._binding if persistables is None else self._bind(persistables)
        dtypes = self._dtypes
        if len(arrays) != len(dtypes):
            check_inputs(self.signature, arrays)
        try:
            call = self._idle.pop()
        except IndexError:
            call = _Call(self.signature)
        try:
            sources, shapes, held, place = call.sources, [], [], 0
            for array in arrays:
                dtype = dtypes[place]
                if not isinstance(array, ndarray) or (
                    array.dtype is not dtype and array.dtype != dtype
                ):
                    check_inputs(self.signature, arrays)
                shapes.append(array.shape)
                if array.flags.num & READY != READY:
                    array = plain(array)
                    held.append(array)  # until the call is over
                sources[place] = address_of(array)
                place += 1
            if shapes != call.shapes or binding is not call.binding:
                self._prepare(call, arrays, shapes, binding)
            if call.threads != threads.process.count and self._pool is not None:
                self._spread(call, call.plan)
            if binding.loose:
                held += binding.copy_loose(sources, place)
            targets, results = call.targets, []
            for place, source in self._overwrites.items():
                targets[place] = sources[source]
            for place, shape, dtype in call.plan.outputs:
                result = empty(shape, dtype)
                targets[place] = address_of(result)
                results.append(result)
            code = self._run_loops(call) if self._has_loops else self._run(call.address)
            if call.failure is not None or call.heap:
                call.finish()
            if code:
                raise run_error(self.signature, call.ctx, code)
            if self._finds:
                call.cut(results)
            return results
        finally:
            self._idle.append(call)

    def _run_loops(self, call: _Call) -> int:
        """Run, so that Ctrl-C ends a loop; again where its handler let the program go on."""
        while True:
            page = interrupt.signals()
            call.ctx.signals = interrupt.QUIET if page is None else page.address
            run, at = self._run, call.address
            code: int = run(at) if page is None else page.run(run, at)
            if code != abi.ERROR_INTERRUPT:
                return code

    def _prepare(
        self, call: _Call, arrays: Sequence[Array], shapes: list[Any], binding: _Binding
    ) -> None:
        """Make a call ready for other shapes or persistables than its last ones."""
        call.shapes = None  # should something fail on the way
        key = (tuple(shapes), binding.shapes)
        plan = self._plans.get(key) or self._make_plan(arrays, binding, key)
        call.sources[len(arrays) :] = binding.addresses
        self._spread(call, plan)
        call.shapes, call.binding = shapes, binding

    def _spread(self, call: _Call, plan: _Plan) -> None:
        """Let the call run by this plan, on as many threads as it may."""
        count = threads.num_threads() if self._pool is not None else 1
        alone = self._pool is None or count == 1
        call.make_ready(plan, count, 0 if alone else threads.pool_address(self._pool))

    def _bind(self, persistables: Sequence[Array]) -> _Binding:
        """The binding of these arrays: the one at hand if they are the same objects."""
        binding = self._binding
        if persistables is binding.arrays:
            return binding
        if len(persistables) == len(binding.arrays):
            for new, old in zip(persistables, binding.arrays, strict=True):
                if new is not old:
                    break
            else:
                return binding
        binding = self._binding = _Binding(self.signature, persistables)
        return binding  # not self._binding, which another thread may have replaced by now

    def _make_plan(self, arrays: Sequence[Array], binding: _Binding, key: tuple[Any, ...]) -> _Plan:
        values = check_inputs(self.signature, arrays, binding.arrays)
        dims = (ctypes.c_int64 * max(len(values) + len(self.signature.found), 1))(*values)
        ranks = [len(spec.dims) for spec in self._output_specs]
        sizes = (ctypes.c_int64 * max(sum(ranks), 1))()
        memory = (ctypes.c_int64 * 2)()
        failed = self._plan(*(ctypes.addressof(x) for x in (dims, sizes, memory)))
        if failed:
            guard = self.signature.guards[failed - 1]
            says = f"{guard.message}{show_values(self.signature, values)}"
            raise error_at(InputError, says, guard.loc)
        outputs, at = [], 0
        for place, (spec, rank) in enumerate(zip(self._output_specs, ranks, strict=True)):
            if place not in self._overwrites:
                outputs.append((place, tuple(sizes[at : at + rank]), spec.dtype.numpy))
            at += rank
        if len(self._plans) >= _KEPT_PLANS:
            self._plans.clear()
        plan = self._plans[key] = _Plan(dims, outputs, list(memory))
        return plan


def plain(array: Array) -> Array:
    """A C-contiguous, aligned copy. (np.array keeps a 0-d array 0-d.)"""
    return np.array(array, order="C", subok=False)


def _code_address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _array_at(data: int, shape: tuple[int, ...], dtype: DType) -> Array:
    """A copy of native memory as an array."""
    count = int(np.prod(shape, dtype=np.int64))
    raw = ctypes.string_at(data, count * dtype.itemsize)
    return np.frombuffer(raw, dtype.numpy).reshape(shape)
