"""The gradient of a compiled call as a traced function of its own, for `create_graph=True`."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.ir.gradients import append_backward
from wherry.ir.program import Program, Variable

from .concrete import OUTPUT, ConcreteProgram


def gradient_program(concrete: ConcreteProgram, wrt: Sequence[str]) -> ConcreteProgram:
    """From the inputs, what forward wrote as it was before, and the gradients of the float outputs
    to the gradients of `wrt`.

    It computes the forward again: with the same random numbers and statistics, and without writing.
    """
    program = concrete.main_program.clone()
    for var in program.inputs:
        var.is_hidden = False  # the call whose gradient this is knows the sizes
    _read_only(program)
    given = {i: _incoming(program, i) for i in differentiable(program.outputs)}
    known = {var.name: var for var in [*program.inputs, *program.persistables]}
    written = set(assigned(concrete.main_program))
    grads = append_backward(
        program, [program.outputs[i] for i in given], list(given.values()),
        [known[name] for name in wrt],
    )  # fmt: skip
    for op in program.all_ops():
        op.attrs.pop("op_role", None)
    program.outputs[:] = [_known(grad) for grad in grads]
    captured = [(t, known[var.name]) for t, var in concrete.captured if var.name not in written]
    leaves = [OUTPUT] * len(wrt)
    structure = list, (None,) * len(wrt)
    return ConcreteProgram(program, captured, (structure, leaves), concrete.function)


def assigned(program: Program) -> list[str]:
    """The persistables that a Program writes (buffers, a random state), in order."""
    ops = program.global_block.ops
    found = [op.inputs["Target"][0].name for op in ops if op.type == "assign_persistable"]
    return list(dict.fromkeys(found))


def _read_only(program: Program) -> None:
    """What the Program writes becomes an input of it, after the others, and is not written."""
    block, names = program.global_block, assigned(program)
    block.ops[:] = [op for op in block.ops if op.type != "assign_persistable"]
    for name in names:
        var = block.vars[name]
        var.persistable, var.trainable, var.stop_gradient = False, False, True
        block.args.append(var)


def differentiable(outputs: Sequence[Variable]) -> list[int]:
    """The indices of the outputs that a gradient comes in for."""
    return [i for i, var in enumerate(outputs) if var.dtype.is_float and not var.stop_gradient]


def _incoming(program: Program, index: int) -> Variable:
    out = program.outputs[index]
    name = program.unique(f"{out.name}@GRAD.in")
    return program.global_block.add_arg(name, out.shape, out.dtype, stop_gradient=False)


def _known(grad: Variable | None) -> Variable:
    assert grad is not None, "split_training found this gradient"
    return grad
