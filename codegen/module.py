"""One LLVM module for one Program: its kernels, and who calls them.

Ops that differ only in the names of their Variables share one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from wherry.ir.opdef import get_op
from wherry.ir.program import Block, OpDesc, Variable

from .builder import KernelBuilder, kernel_type
from .index import Value
from .kernels.registry import find_lowering
from .machine import Machine


@dataclass(frozen=True)
class Kernel:
    """A native function for some ops; `can_fail` says whether its result must be looked at."""

    function: Value
    can_fail: bool


class ModuleBuilder:
    """Collects the functions of a module. `symbols` gives each symbol's place in `dims`."""

    def __init__(
        self, name: str, triple: str, layout: str, machine: Machine, symbols: Mapping[str, int]
    ) -> None:
        self.module: Any = ir.Module(name=name, context=ir.Context())
        self.module.triple, self.module.data_layout = triple, layout
        self.machine, self.symbols = machine, symbols
        self._kernels: dict[str, Kernel] = {}

    @property
    def kernel_count(self) -> int:
        return len(self._kernels)

    def export(self, name: str, type: Any) -> Value:
        """A function that the module gives to the outside."""
        function = ir.Function(self.module, type, name)
        function.attributes.add("nounwind")
        return function

    def kernel(self, op: OpDesc, places: Mapping[Variable, int], scratch: bool) -> Kernel:
        """The kernel for an op whose Variables lie in the buffers that `places` numbers.

        The buffers are the function's parameters, in order; the scratch memory comes last.
        """
        key = f"{describe(op, {})} {[places[var] for var in _vars(op)]}"
        if key not in self._kernels:
            self._kernels[key] = self._build(op, places, scratch)
        return self._kernels[key]

    def _build(self, op: OpDesc, places: Mapping[Variable, int], scratch: bool) -> Kernel:
        count = len(set(places.values())) + scratch
        name = f"{op.type}_{len(self._kernels)}"
        function = ir.Function(self.module, kernel_type(count), name)
        function.linkage = "internal"
        function.attributes.add("nounwind")
        function.attributes.add("noinline")
        buffers = function.args[1 : 1 + count]
        for argument in (*buffers, function.args[-2]):
            argument.add_attribute("noalias")
        pointers = {var: buffers[place] for var, place in places.items()}
        builder = KernelBuilder(
            function, op, self.machine, self.symbols, pointers, buffers[-1] if scratch else None
        )
        find_lowering(op).emit(builder)
        builder.finish()
        return Kernel(function, builder.can_fail)


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
