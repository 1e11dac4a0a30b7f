"""The numpy interpreter: runs a Program op by op on the references. It is what a Program means.

It is the test oracle of the compiler, and what `jit.load` runs where no compiler is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wherry.schema.errors import InputError, Loc, ResizeError, RunError, error_named
from wherry.schema.output import show

from .dims import SymDim, evaluate, symbols_of
from .emit import run_reference
from .found import Found, branch_sizes, check_of, found_by
from .infer import Guard, Shape, inferring
from .opdef import get_op
from .program import Block, OpDesc, Program, Variable

Array = np.ndarray[Any, Any]
Env = dict[Variable, Array]


def run_program(
    program: Program,
    inputs: Sequence[Array],
    persistables: Mapping[str, Array] | None = None,
) -> tuple[list[Array], dict[str, Array]]:
    """Run on arrays that fit `program.inputs`; the outputs, and what assigned persistables become.

    A persistable comes from `persistables`, else from `program.values`. Raises InputError where an
    array does not fit or a guard fails, RunError (or IndexError-like ones of an op) for errors in
    the data.
    """
    found = {**program.values, **(persistables or {})}
    env, dims = _bind_inputs(program, list(inputs))
    for var in program.persistables:
        if var.op is None:
            env[var] = _persistable(var, found)
    check_guards(program, dims)
    run = _Run(dims, Found(program).unknown)
    run.block(program.global_block, env)
    return [env[var] for var in program.outputs], run.assigned


def bind_symbols(variables: Sequence[Variable], shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """The values of the symbols that occur plainly in the inputs' shapes."""
    dims: dict[str, int] = {}
    for var, shape in zip(variables, shapes, strict=True):
        for dim, size in zip(var.shape, shape, strict=False):
            if isinstance(dim, SymDim) and [str(dim)] == list(symbols_of(dim)):
                dims.setdefault(str(dim), size)
    return dims


def check_guards(program: Program, dims: Mapping[str, int]) -> None:
    """Raise InputError for the first guard that does not hold for these sizes."""
    for guard in program.guards:
        _check_guard(guard, dims)


def _check_guard(guard: Guard, dims: Mapping[str, int]) -> None:
    left, right = evaluate(guard.left, dims), evaluate(guard.right, dims)
    if not guard.holds(left, right):
        sizes = ", ".join(f"{name} = {size}" for name, size in dims.items())
        at = f"\n  at {guard.loc}" if guard.loc else ""
        error = InputError(f"{guard.message} (with {sizes}: {left} and {right}){at}")
        error.loc = guard.loc
        raise error


def _bind_inputs(program: Program, arrays: list[Array]) -> tuple[Env, dict[str, int]]:
    variables = program.inputs
    if len(arrays) != len(variables):
        names = ", ".join(var.name for var in variables)
        raise InputError(f"needs {len(variables)} inputs ({names}), got {len(arrays)}")
    arrays = [np.asarray(array) for array in arrays]
    dims = bind_symbols(variables, [array.shape for array in arrays])
    for var, array in zip(variables, arrays, strict=True):
        _check_array("input", var, array, dims)
    return dict(zip(variables, arrays, strict=True)), dims


def _persistable(var: Variable, found: Mapping[str, Array]) -> Array:
    if var.name not in found:
        raise InputError(f"persistable {var.name!r} ({var.type}) has no value")
    array = np.asarray(found[var.name])
    _check_array("persistable", var, array, {})
    return array


def _check_array(what: str, var: Variable, array: Array, dims: Mapping[str, int]) -> None:
    if array.dtype != var.dtype.numpy:
        raise InputError(f"{what} {var.name!r} needs dtype {var.dtype.name}, got {array.dtype}")
    if array.ndim != var.ndim or array.shape != sizes_of(var.shape, dims):
        raise InputError(f"{what} {var.name!r} needs {var.type}, got shape {list(array.shape)}")


def sizes_of(shape: Shape, dims: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with the symbols' values put in."""
    return tuple(evaluate(dim, dims) for dim in shape)


class _Run:
    """One run: the symbols' values, and what persistables become."""

    def __init__(self, dims: Mapping[str, int], found: Sequence[str]) -> None:
        self.dims = {**dict.fromkeys(found, 0), **dims}
        self.assigned: dict[str, Array] = {}

    def block(self, block: Block, env: Env) -> list[Array]:
        """Run the ops in `env`, which holds the arguments; values die after their last use."""
        last_use = {var: op for op in block.ops for var in op.in_vars}
        kept = set(block.results)
        for op in block.ops:
            self.op(op, env)
            for var in {*op.in_vars, *op.out_vars}:
                if last_use.get(var, op) is op and var not in kept:
                    env.pop(var, None)
        return [env[var] for var in block.results]

    def op(self, op: OpDesc, env: Env) -> None:
        with inferring(op.type, op.loc, []), np.errstate(all="ignore"):
            handler = _HANDLERS.get(op.type)
            slots = handler(self, op, env) if handler else self.reference(op, env)
        for slot, arrays in slots.items():
            for var, array in zip(op.outputs.get(slot, []), arrays, strict=True):
                env[var] = array

    def reference(self, op: OpDesc, env: Env) -> dict[str, list[Array]]:
        opdef = get_op(op.type)
        arrays = opdef.pack({s: [env[v] for v in vars_] for s, vars_ in op.inputs.items()})
        attrs = {name: self.attr(value) for name, value in op.attrs.items()}
        try:
            return opdef.result_slots(run_reference(opdef, arrays, attrs))
        except RunError as error:
            raise _at_line(error, op.loc) from error

    def attr(self, value: Any) -> Any:
        """An attribute with the symbols' values put in."""
        if isinstance(value, SymDim):
            return evaluate(value, self.dims)
        return [self.attr(one) for one in value] if isinstance(value, list) else value

    def carry_sizes(self, op: OpDesc, carries: Sequence[Array]) -> None:
        """Give the sizes that a loop carries what they are now."""
        for arg, array in zip(op.attrs["block"].args, carries, strict=False):
            for dim, size in zip(arg.shape, array.shape, strict=True):
                if dim in op.attrs["sizes"]:
                    self.dims[str(dim)] = size

    def sub_block(self, block: Block, arrays: Sequence[Array]) -> list[Array]:
        return self.block(block, dict(zip(block.args, arrays, strict=True)))


def _at_line(error: RunError, loc: Loc | None) -> RunError:
    if loc and str(loc) not in str(error):
        error = type(error)(f"{error}\n  at {loc}")
    error.loc = loc
    return error


def _arrays(op: OpDesc, slot: str, env: Env) -> list[Array]:
    return [env[var] for var in op.inputs.get(slot, [])]


def _cond(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    taken = _arrays(op, "Cond", env)[0]
    block = op.attrs["true_block" if taken.item() else "false_block"]
    found = run.sub_block(block, _arrays(op, "X", env))
    sides = branch_sizes(op).items()
    run.dims.update({n: evaluate(yes if taken.item() else no, run.dims) for n, (yes, no) in sides})
    return {"Out": found}


def _while(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    condition = _arrays(op, "Condition", env)[0]
    carries, extra = _arrays(op, "X", env), _arrays(op, "Extra", env)
    block: Block = op.attrs["block"]
    run.carry_sizes(op, carries)
    while condition.item():
        condition, *carries = run.sub_block(block, [*carries, *extra])
        run.carry_sizes(op, carries)
    return {"Out": carries}


def _fusion(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    return {"Out": run.sub_block(op.attrs["block"], _arrays(op, "X", env))}


def _assign_persistable(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    run.assigned[op.inputs["Target"][0].name] = _arrays(op, "X", env)[0]
    return {}


def _reshaped(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    """A size that is 0 or 1 by chance is no request to copy or to drop a dim: the type says it."""
    out = op.output()
    return {"Out": [_arrays(op, "X", env)[0].reshape(sizes_of(out.shape, run.dims))]}


def _print(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    array = _arrays(op, "In", env)[0]
    message = op.attrs.get("message", "")
    show(*([message] if message else []), array, sep="\n" if array.ndim else " ")
    return {"Out": [array]}


def _assert(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    if not _arrays(op, "Cond", env)[0].item():
        kind = error_named(op.attrs.get("error", "AssertionError"))
        error = _at_line(kind(op.attrs.get("message", "") or "assert failed"), op.loc)
        if isinstance(error, ResizeError):
            error.value = int(_arrays(op, "Data", env)[0])
        raise error
    return {}


def _true_positions(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    name = found_by(op)
    if name is None:
        return run.reference(op, env)
    (mask,) = _arrays(op, "X", env)
    run.dims[name] = int(np.count_nonzero(mask))
    return {"Out": [np.flatnonzero(mask)]}


def _check_size(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    guard = Guard(*check_of(op), op.attrs["message"], op.loc)
    _check_guard(guard, run.dims)
    return {}


def _gradient_hook(run: _Run, op: OpDesc, env: Env) -> dict[str, list[Array]]:
    """The gradient's ops have taken it up, where there is one."""
    return {}


_HANDLERS: dict[str, Callable[[_Run, OpDesc, Env], dict[str, list[Array]]]] = {
    "cond": _cond, "while": _while, "fusion": _fusion, "assign_persistable": _assign_persistable,
    "true_positions": _true_positions, "check_size": _check_size, "print": _print,
    "assert": _assert, "gradient_hook": _gradient_hook,
    "reshape2": _reshaped, "squeeze2": _reshaped,
}  # fmt: skip
