"""A Program for inference out of a traced one, and a training Program out of a loaded one."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import get_op
from wherry.ir.passes.dce import Dce
from wherry.ir.program import Block, OpDesc, Program, Variable
from wherry.schema.dtypes import int64

RNG_NAME = "rng_state"


def for_inference(program: Program, outputs: Sequence[Variable]) -> Program:
    """A copy that drops nothing out, normalizes by running statistics, and holds what these of its
    outputs need.

    What a batch_norm or a dropout would write (statistics, the random state) is not written; other
    buffers still are.
    """
    copy = program.clone()
    places = [program.outputs.index(var) for var in outputs]
    copy.outputs[:] = [copy.outputs[place] for place in places]
    for op in copy.all_ops():
        if "is_test" in op.attrs:
            op.attrs["is_test"] = True
        if op.type == "dropout":
            op.inputs.pop("State", None)
    block = copy.global_block
    drawn = _draws(copy)
    for op in list(block.ops):
        if op.type == "assign_persistable" and _is_training_state(op, drawn):
            block.ops.remove(op)
    Dce().run(copy)
    return copy


def for_training(program: Program) -> Program:
    """A copy of an inference Program in which dropout drops and batch_norm takes the batch's
    statistics.

    A `dropout` in a branch or loop stays as it is: its random state would have to be carried.
    """
    copy = program.clone()
    block = copy.global_block
    state: Variable | None = None
    for op in list(block.ops):
        if op.type == "dropout":
            state = _drop(block, op, state)
        elif op.type == "batch_norm" and not op.attrs["use_global_stats"]:
            op.attrs["is_test"] = False
            _keep_statistics(block, op)
    if state is not None:
        target = block.vars[RNG_NAME]
        BlockEmitter(block).emit(get_op("assign_persistable"), [state, target], {})
    return copy


def _draws(program: Program) -> bool:
    """Whether an op still draws random numbers."""
    return any(op.inputs.get("State") and op.type != "rng_advance" for op in program.all_ops())


def _is_training_state(op: OpDesc, drawn: bool) -> bool:
    source = op.inputs["X"][0].op
    if source is None:
        return False
    if source.type == "batch_norm":
        return True
    return source.type == "rng_advance" and not drawn


def _drop(block: Block, op: OpDesc, state: Variable | None) -> Variable:
    """Give a dropout the random state; returns the state after it."""
    op.attrs["is_test"] = False
    if state is None:
        state = block.vars.get(RNG_NAME) or block.create_var(
            RNG_NAME, (2,), int64, persistable=True
        )
    op.inputs["State"] = [state]
    emitter = BlockEmitter(block, op.loc, at=block.ops.index(op) + 1)
    advanced: Variable = emitter.emit(get_op("rng_advance"), [state], {})
    return advanced


def _keep_statistics(block: Block, op: OpDesc) -> None:
    emitter = BlockEmitter(block, op.loc)
    for slot, out in (("Mean", "MeanOut"), ("Variance", "VarianceOut")):
        emitter.emit(get_op("assign_persistable"), [op.outputs[out][0], op.inputs[slot][0]], {})
