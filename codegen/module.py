"""One LLVM module for one Program: its kernels, and who calls them.

Ops that differ only in the names of their Variables share one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from wherry.ir.dims import Dim
from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Variable

from .builder import KernelBuilder, kernel_type
from .index import Value
from .kernels.registry import find_lowering
from .machine import Machine
from .numbers import place_numbers
from .parallel import SharedKernel, is_small, steps_of


@dataclass(frozen=True)
class Kernel:
    """A native function for some ops; `can_fail` says whether its result must be looked at.

    `enter` is the function that may run it on several threads; None where it has no such loop.
    `steps` say how much work it is.
    """

    function: Value
    can_fail: bool
    enter: Value | None
    steps: Dim


class ModuleBuilder:
    """Collects the functions of a module. `symbols` gives each symbol's place in `dims`.

    `is_shared` says whether one of its kernels may ask for the thread pool.
    """

    def __init__(
        self, name: str, triple: str, layout: str, machine: Machine, symbols: Mapping[str, int]
    ) -> None:
        self.module: Any = ir.Module(name=name, context=ir.Context())
        self.module.triple, self.module.data_layout = triple, layout
        self.machine, self.symbols = machine, symbols
        self.is_shared = False
        self._kernels: dict[str, Kernel] = {}

    @property
    def kernel_count(self) -> int:
        return len(self._kernels)

    def export(self, name: str, type: Any) -> Value:
        """A function that the module gives to the outside."""
        function = ir.Function(self.module, type, name)
        function.attributes.add("nounwind")
        return function

    def kernel(self, op: OpDesc, places: Mapping[Variable, int], scratch: Dim | None) -> Kernel:
        """The kernel for an op whose Variables lie in the buffers that `places` numbers.

        The buffers are the function's parameters, in order; scratch memory of this size comes last.
        """
        key = f"{describe(op, {})} {[places[var] for var in _vars(op)]}"
        if key not in self._kernels:
            self._kernels[key] = self._build(op, places, scratch)
        return self._kernels[key]

    def _build(self, op: OpDesc, places: Mapping[Variable, int], scratch: Dim | None) -> Kernel:
        count = len(set(places.values())) + (scratch is not None)
        name = f"{op.type}_{len(self._kernels)}"
        function = ir.Function(self.module, kernel_type(count), name)
        function.linkage = "internal"
        function.attributes.add("nounwind")
        function.attributes.add("noinline")
        buffers = function.args[1 : 1 + count]
        for argument in (*buffers, function.args[1 + count]):
            argument.add_attribute("noalias")
        pointers = {var: buffers[place] for var, place in places.items()}
        builder = KernelBuilder(
            function, op, self.machine, self.symbols, pointers,
            None if scratch is None else buffers[-1],
        )  # fmt: skip
        find_lowering(op).emit(builder)
        builder.finish()
        place_numbers(function, self.machine)
        enter, steps = None, steps_of(op)
        if builder.is_shared and not is_small(steps):
            self.is_shared = True
            shared = SharedKernel(function, self.symbols, count, scratch, builder.can_fail)
            enter = shared.enter()
        return Kernel(function, builder.can_fail, enter, steps)


def _vars(op: OpDesc) -> list[Variable]:
    return [*op.in_vars, *op.out_vars]


def describe(op: OpDesc, numbers: dict[Variable, int]) -> str:
    """A text that is equal for ops that do the same: Variables are numbered, not named."""

    def slots(found: Mapping[str, Sequence[Variable]]) -> str:
        return " ".join(
            f"{slot}:" + ",".join(f"{numbers.setdefault(v, len(numbers))}={v.type}" for v in vars_)
            for slot, vars_ in found.items()
        )

    inputs = slots(op.inputs)
    attrs = get_op(op.type).bind(op.attrs)
    shown = " ".join(f"{key}={_attr(value, numbers)}" for key, value in sorted(attrs.items()))
    return f"{op.type}({inputs}; {shown}) -> {slots(op.outputs)}"


def _attr(value: Any, numbers: dict[Variable, int]) -> str:
    if not isinstance(value, Block):
        return f"{type(value).__name__} {value!r}"
    inner = dict(numbers)
    args = [f"{inner.setdefault(var, len(inner))}={var.type}" for var in value.args]
    ops = [describe(op, inner) for op in value.ops]
    results = [str(inner[var]) for var in value.results]
    return f"{{({', '.join(args)}) {'; '.join(ops)} yield {', '.join(results)}}}"
