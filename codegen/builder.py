"""The builder of kernels: one native function per op.

A kernel is `i32 k(ctx*, buffer..., const i64* dims, i64 site, i64 share, i64 shares)`; it returns
0, or an error code after it has filled ctx's error record. Lowerings get a `KernelBuilder` and are
registered with `wherry.codegen.kernels.registry.lowers`:

    @lowers("transpose2")
    def transpose(kb: KernelBuilder) -> None:
        x, out = kb.input("X"), kb.output("Out")
        with kb.nest(out.shape) as index:
            out.store(x.load(*(index[axis] for axis in inverse(kb.attrs["axis"]))), *index)

Loops and index arithmetic come from `IndexBuilder` (an index is an int where it is known), values
are `Scalar`s on `kb.scalars`, operands are `Operand`s. Inner loops that run over the last dim with
stride 1 and call nothing are vectorized by LLVM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.infer import Shape
from wherry.ir.program import OpDesc, Variable
from wherry.ir.scalar import Operand as ScalarOperand
from wherry.ir.scalar import Scalar
from wherry.runtime.abi import ERROR_DIVISION, ERROR_INDEX
from wherry.schema.dtypes import DType, int64

from .ctx import CtxFields
from .index import I32, I64, POINTER, Index, IndexBuilder, Value, i64
from .machine import Machine
from .math import LLVMScalars, storage_type
from .operand import Operand


class KernelBuilder(IndexBuilder):
    """Builds the kernel of one op.

    `inputs` and `outputs` are its Operands in the order of `op.in_vars` and `op.out_vars`;
    Variables that share memory share the function's parameter, so that LLVM may take the others as
    distinct. `scratch` points to the working memory that the lowering asked for. `machine` says
    what the target's vectors are like.
    """

    def __init__(
        self,
        function: Value,
        op: OpDesc,
        machine: Machine,
        symbols: Mapping[str, int],
        pointers: Mapping[Variable, Value],
        scratch: Value | None = None,
    ) -> None:
        dims, self.site, self._share, self._shares = function.args[-4:]
        super().__init__(function, dims, symbols)
        self.op, self.attrs, self.machine = op, op.attrs, machine
        self.ctx = CtxFields(self, function.args[0])
        self.scratch = scratch
        self.can_fail = self.is_shared = False
        self._operands = {v: Operand(self, p, v.dtype, v.shape) for v, p in pointers.items()}
        self.inputs = [self._operands[var] for var in op.in_vars]
        self.outputs = [self._operands[var] for var in op.out_vars]

    @cached_property
    def scalars(self) -> LLVMScalars:
        """The builder of scalar functions."""
        return LLVMScalars(self.b, machine=self.machine)

    def show(self, op: OpDesc, operands: Mapping[Variable, Operand]) -> None:
        """From here on the kernel is that of `op`, an inner one whose inputs lie there."""
        self.op, self.attrs = op, op.attrs
        self._operands = dict(operands)
        self.inputs, self.outputs = [self._operands[var] for var in op.in_vars], []

    def operand(self, var: Variable) -> Operand:
        """Where a Variable of this op lies."""
        return self._operands[var]

    def input(self, slot: str) -> Operand:
        """The operand in an input slot. Raises KeyError where the slot is empty."""
        found = self.maybe_input(slot)
        if found is None:
            raise KeyError(f"{self.op.type} has no input {slot}")
        return found

    def maybe_input(self, slot: str) -> Operand | None:
        """The operand in an input slot, None where the slot is empty."""
        var = self.op.input(slot)
        return None if var is None else self._operands[var]

    def input_list(self, slot: str) -> list[Operand]:
        """The operands in a variadic input slot."""
        return [self._operands[var] for var in self.op.inputs.get(slot, [])]

    def output(self, slot: str = "Out") -> Operand:
        return self._operands[self.op.output(slot)]

    def buffer(self, dtype: DType, *shape: int) -> Operand:
        """Scratch memory on the stack (keep it under some 64 KiB), aligned to 64 bytes."""
        count = 1
        for size in shape:
            count *= size
        return Operand(self, self.alloca(storage_type(dtype), max(count, 1)), dtype, shape)

    def const(self, value: bool | int | float, dtype: DType) -> Scalar:
        return self.scalars.const(value, dtype)

    def scalar(self, value: Value, dtype: DType) -> Scalar:
        """A register's value as a Scalar of this dtype."""
        return Scalar(self.scalars, value, dtype)

    def index_scalar(self, index: Index, dtype: DType) -> Scalar:
        """An index as a Scalar of some dtype."""
        return self.scalars.cast(self.scalar(i64(index), int64), dtype)

    def as_index(self, value: Scalar) -> Value:
        """An integer Scalar as an index."""
        return self.scalars.cast(value, int64).value

    def call(self, name: str, *operands: ScalarOperand) -> Scalar:
        """A scalar function by name (see `wherry.ir.scalar.SCALAR_FUNCTIONS`)."""
        return self.scalars.call(name, *operands)

    def dims_of(self, shape: Shape) -> list[Index]:
        return [self.dim(d) for d in shape]

    def count(self, dims: Sequence[Index]) -> Index:
        """The product of sizes."""
        total: Index = 1
        for d in dims:
            total = self.mul(total, d)
        return total

    @contextmanager
    def parallel(self, stop: Index) -> Iterator[Index]:
        """`for i in range(stop)`: the kernel's outermost loop, whose rounds are independent.

        Threads share its rounds; the first shares are the longer ones, so that the last ones even
        out the threads. All that writes memory is inside (each branch of an `either` may have one);
        what stands outside only computes registers, and every thread does it.
        """
        if isinstance(stop, int) and stop <= 1:
            with self.loop(stop) as i:
                yield i
            return
        self.is_shared = True
        each, longer = self.div(stop, self._shares), self.rem(stop, self._shares)
        first = self.add(self.mul(each, self._share), self.minimum(self._share, longer))
        more = self.b.zext(self.lt(self._share, longer), I64)
        with self.loop(self.add(first, self.add(each, more)), first) as i:
            yield i

    @contextmanager
    def parallel_parts(self, wholes: Index, parts: Index) -> Iterator[tuple[Index, Index, Value]]:
        """The parallel loop over the parts of some wholes: (whole, part, whether to begin).

        A share begins with each whole that it has parts of: there it prepares working memory.
        """
        known = self.cell(i64(-1))
        with self.parallel(self.mul(wholes, parts)) as number:
            whole = i64(self.div(number, parts))
            begins = self.ne(known.get(), whole)
            known.set(whole)
            yield whole, self.rem(number, parts), begins

    def fail_if(self, wrong: Value, code: int, element: Index = 0, value: Index = 0) -> None:
        """End the kernel with an error of this op if the i1 is true.

        `element` says at which element, `value` what was found there (the index out of range).
        """
        self.can_fail = True
        with self.b.if_then(wrong, likely=False):
            self.ctx.record_error(self.site, code, element, value)
            self.b.ret(ir.Constant(I32, code))

    def check_index(self, index: Value, size: Dim, element: Index = 0) -> Value:
        """The index, a negative one counted from the end; an error where it is out of range."""
        extent = self.dim(size)
        wrapped = self.select(self.lt(index, 0), self.add(index, extent), index)
        outside = self.b.icmp_unsigned(">=", wrapped, i64(extent))
        self.fail_if(outside, ERROR_INDEX, element, index)
        return wrapped

    def check_divisions(self, element: Index = 0) -> None:
        """End the kernel if an integer division built since the last check was by zero.

        A store checks by itself; others who branch on a quotient must call this before.
        """
        failed, self.scalars.failed = self.scalars.failed, []
        for by_zero in failed:
            self.fail_if(by_zero, ERROR_DIVISION, element)

    def finish(self) -> None:
        """Return success at the end of the kernel."""
        self.b.ret(ir.Constant(I32, 0))


def kernel_type(buffers: int) -> Any:
    """The function type of a kernel with this many buffers."""
    return ir.FunctionType(I32, [POINTER, *([POINTER] * buffers), POINTER, I64, I64, I64])
