"""`verify(program)`: the rules of the IR, also the check of meaning for a loaded file.

- every Variable is defined exactly once: an op's output, a block's argument, or a persistable of
  block 0
- an op reads only what is defined before it in its own block (a sub-block sees nothing of its
  parent)
- ops are declared, their slots and attributes are the declared ones, their types are what `infer`
  says
- every guard that an `infer` needs is among the Program's guards, or was checked by a `check_size`
- a size that the run finds is used behind the op that finds it only
- names are unique; results are defined; a block has one owner; the arrays of `values` fit their
  Variables

Whatever odd Program comes in, nothing is raised but VerifyError and OpError.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from wherry.schema.dtypes import DType
from wherry.schema.errors import OpError, UnknownOpError, VerifyError

from .dims import SymDim, always_le, is_dim, lower
from .emit import infer_types
from .found import CHECK, Found, branch_sizes, check_of, found_by, found_in, loop_sizes, mentioned
from .infer import Guard, TensorType, inferring
from .opdef import REQUIRED, OpDef, Slot, get_op
from .program import Block, OpDesc, Program, Variable

_MAX_DEPTH = 100


def verify(program: Program) -> None:
    """Raise VerifyError (or the OpError of a shape rule) naming the op and the user's line."""
    checker = _Checker(program)
    try:
        checker.run()
    except (VerifyError, OpError):
        raise
    except UnknownOpError as error:
        raise VerifyError(f"{error}{checker.where()}") from None
    except Exception as error:
        # Odd attributes of a damaged file break shape rules in ways that nobody can foresee.
        text = f"{type(error).__name__}: {error}"
        raise VerifyError(f"the Program does not make sense: {text}{checker.where()}") from error


class _Checker:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.op: OpDesc | None = None
        self.names: set[str] = set()
        self.defined: set[Variable] = set()
        self.owned: set[int] = set()
        self.guards = {guard[:3] for guard in program.guards}
        # The sizes that the run finds, and those of them that it has not found where the op stands.
        self.found = self.late = set[str]()

    def where(self) -> str:
        if self.op is None:
            return ""
        return f"\n  in op {self.op.type!r}" + (f"\n  at {self.op.loc}" if self.op.loc else "")

    def fail(self, message: str) -> NoReturn:
        raise VerifyError(message + self.where())

    def need(self, condition: bool, message: str) -> None:
        if not condition:
            self.fail(message)

    def run(self) -> None:
        get_op("fusion")  # fills the table of ops
        sizes = Found(self.program)
        self.found, self.ceiling = set(sizes.unknown), sizes.ceiling
        self.late = set(self.found)
        for guard in self.program.guards:
            self.guard(guard)
        scope: set[Variable] = set()
        for var in self.program.persistables:
            if var.op is None:
                self.define(var, self.program.global_block, scope)
                self.value(var)
        unknown = set(self.program.values) - {var.name for var in scope}
        self.need(not unknown, f"values holds arrays of no persistable: {sorted(unknown)}")
        self.block(self.program.global_block, scope, 0)

    def guard(self, guard: Guard) -> None:
        self.need(is_dim(guard.left) and is_dim(guard.right), f"a guard needs dims, got {guard}")
        known = ("==", "<=", "1 or ==", "broadcast")
        self.need(guard.relation in known, f"a guard has the unknown relation {guard.relation!r}")

    def value(self, var: Variable) -> None:
        array = self.program.values.get(var.name)
        if array is None:
            return
        self.need(isinstance(array, np.ndarray), f"the value of {var.name!r} is no array")
        fits = array.dtype == var.dtype.numpy and array.shape == var.shape
        self.need(
            fits, f"{var.name!r} is {var.type}, its array is {array.dtype}{list(array.shape)}"
        )

    def block(self, block: Block, scope: set[Variable], depth: int) -> None:
        self.need(depth < _MAX_DEPTH, f"blocks are nested deeper than {_MAX_DEPTH}")
        self.need(block.program is self.program, f"block {block.idx} is of another Program")
        for var in block.args:
            self.need(var.op is None, f"the argument {var.name!r} is an op's output too")
            self.define(var, block, scope)
        for op in block.ops:
            self.check_op(op, block, scope, depth)
        self.op = None
        for var in block.results:
            self.need(var in scope, f"block {block.idx} yields {var.name!r}, which is not defined")

    def define(self, var: Variable, block: Block, scope: set[Variable]) -> None:
        self.need(isinstance(var.name, str) and bool(var.name), f"a name is {var.name!r}")
        self.need(var not in self.defined, f"{var.name!r} is defined twice")
        self.need(var.name not in self.names, f"two Variables are called {var.name!r}")
        self.need(block.vars.get(var.name) is var, f"{var.name!r} is not in its block's vars")
        self.need(isinstance(var.dtype, DType), f"the dtype of {var.name!r} is {var.dtype!r}")
        self.need(isinstance(var.shape, tuple), f"the shape of {var.name!r} is no tuple")
        for dim in var.shape:
            self.need(is_dim(dim), f"the shape of {var.name!r} holds {dim!r}")
            known = not isinstance(dim, SymDim)
            self.need(not known or (lower(dim) or 0) >= 0, f"{var.name!r} has a dim {dim} < 0")
        self.names.add(var.name)
        self.defined.add(var)
        scope.add(var)

    def check_op(self, op: OpDesc, block: Block, scope: set[Variable], depth: int) -> None:
        self.op = op
        opdef = get_op(op.type)
        for var in op.in_vars:
            self.need(var in scope, f"it reads {var.name!r}, which is not defined before it")
        self.slots(opdef.inputs, op.inputs, "input")
        self.slots(opdef.outputs, op.outputs, "output")
        self.attrs(opdef, op)
        self.late -= loop_sizes(op).keys()
        if op.type == "cond":
            self.late -= {name for sub in op.blocks for name in found_in(sub)}
        for sub in op.blocks:
            self.need(id(sub) not in self.owned, f"block {sub.idx} has two owners")
            self.need(sub in self.program.blocks[1:], f"block {sub.idx} is not in the Program")
            self.owned.add(id(sub))
            self.block(sub, set(), depth + 1)
            self.op = op
        self.late -= branch_sizes(op).keys()
        self.types(opdef, op)
        self.sizes(op)
        for var in op.out_vars:
            self.need(var.op is op, f"its output {var.name!r} has another op as its definition")
            self.define(var, block, scope)
        self.persistable_target(op, block)

    def slots(self, declared: tuple[Slot, ...], found: Any, what: str) -> None:
        by_name = {slot.name: slot for slot in declared}
        for name, vars_ in found.items():
            self.need(name in by_name or not vars_, f"it has no {what} slot {name!r}")
            single = name in by_name and not by_name[name].variadic
            self.need(not single or len(vars_) <= 1, f"its {what} {name!r} takes one Variable")
        for slot in declared:
            optional = slot.optional or slot.variadic
            self.need(optional or bool(found.get(slot.name)), f"its {what} {slot.name!r} is empty")

    def attrs(self, opdef: OpDef, op: OpDesc) -> None:
        for name, default in opdef.attrs.items():
            missing = default is REQUIRED and name not in op.attrs
            self.need(not missing, f"the attribute {name!r} is missing")
        for name, value in op.attrs.items():
            self.need(_is_attr(value), f"the attribute {name!r} is {value!r}")

    def types(self, opdef: OpDef, op: OpDesc) -> None:
        needed: list[Guard] = []
        slots = {name: [var.type for var in vars_] for name, vars_ in op.inputs.items()}
        with inferring(op.type, op.loc, needed):
            result = infer_types(opdef, opdef.pack(slots), op.attrs)
        for slot, types in opdef.result_slots(result).items():
            vars_ = op.outputs.get(slot, [])
            found: list[TensorType] = [var.type for var in vars_]
            self.need(
                found == types, f"its output {slot} is {_show(found)}, infer says {_show(types)}"
            )
        for guard in needed:
            text = f"{guard.left} {guard.relation} {guard.right}"
            self.need(guard[:3] in self.guards, f"the Program misses the guard {text}")

    def sizes(self, op: OpDesc) -> None:
        """What the op says of sizes that the run finds."""
        if op.type == CHECK:
            self.guards.add(check_of(op))
        self.late -= {found_by(op)}
        early = self.late.intersection(mentioned(op))
        self.need(not early, f"it uses {sorted(early)} before an op that finds it")
        if op.type == "while":  # what a round finds stays in the round
            self.late |= self.found.intersection(*map(found_in, op.blocks))
        for name, (start, end) in loop_sizes(op).items():
            fits = always_le(self.ceiling(end), self.ceiling(start))
            self.need(fits, f"the size {name} may grow from {start} to {end}")

    def persistable_target(self, op: OpDesc, block: Block) -> None:
        if op.type != "assign_persistable":
            return
        target = op.input("Target")
        self.need(block is self.program.global_block, "it stands in a sub-block")
        self.need(target is not None and target.persistable, "its Target is no persistable")


def _is_attr(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_attr(one) for one in value)
    return value is None or isinstance(value, (bool, int, float, str, DType, SymDim, Block))


def _show(types: Any) -> str:
    return ", ".join(map(str, types)) or "absent"
