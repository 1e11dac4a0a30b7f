"""The gradient of a compiled call as a traced function of its own, for `create_graph=True`."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.ir.gradients import append_backward
from wherry.ir.program import Program, Variable

from .concrete import OUTPUT, ConcreteProgram


def gradient_program(concrete: ConcreteProgram, wrt: Sequence[str]) -> ConcreteProgram:
    """From the inputs and the gradients of the float outputs to the gradients of `wrt`.

    It computes the forward again. RuntimeError for one that must not be run twice: it writes a
    buffer, or draws random numbers.
    """
    if any(op.type == "assign_persistable" for op in concrete.main_program.all_ops()):
        raise RuntimeError(
            "create_graph=True computes a static function again, which this one does not allow: it "
            "writes a buffer or draws random numbers (batch_norm and dropout in training mode do); "
            "call the dynamic function there (net.forward.rollback(), or "
            "paddle.jit.enable_to_static(False))"
        )
    program = concrete.main_program.clone()
    for var in program.inputs:
        var.is_hidden = False  # the call whose gradient this is knows the sizes
    given = {i: _incoming(program, i) for i in differentiable(program.outputs)}
    known = {var.name: var for var in [*program.inputs, *program.persistables]}
    grads = append_backward(
        program, [program.outputs[i] for i in given], list(given.values()),
        [known[name] for name in wrt],
    )  # fmt: skip
    for op in program.all_ops():
        op.attrs.pop("op_role", None)
    program.outputs[:] = [_known(grad) for grad in grads]
    captured = [(tensor, known[var.name]) for tensor, var in concrete.captured]
    leaves = [OUTPUT] * len(wrt)
    structure = list, (None,) * len(wrt)
    return ConcreteProgram(program, captured, (structure, leaves), concrete.function)


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
