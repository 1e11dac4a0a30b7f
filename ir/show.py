"""`print(program)`: the format of the specification, which is Paddle's.

    { // block 0
        var x : LOD_TENSOR.shape(-1, 10).dtype(float32).stop_gradient(True)
        persist trainable param fc_0.w_0 : LOD_TENSOR.shape(10,
        3).dtype(float32).stop_gradient(False) var fc_0.tmp_0 : LOD_TENSOR.shape(-1,
        3).dtype(float32).stop_gradient(False)

        {Out=['fc_0.tmp_0']} = mul(inputs={X=['x'], Y=['fc_0.w_0']}, op_device = , op_role = 0, ...)
    }

It knows no SSA: a later version `x@2` of a value prints as `x`, what an `assign_persistable` stores
prints under the name of the persistable, and the assignment itself is left out. A symbolic dim
prints as -1.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from wherry.schema.dtypes import DType

from .dims import SymDim
from .program import Block, OpDesc, Program, Variable

# What Paddle shows of every op, beside the op's own attributes.
_OP_ATTRS = {
    "op_device": "", "op_namescope": "/", "op_role": 0, "op_role_var": [], "with_quant_attr": False,
}  # fmt: skip


def show_program(program: Program, parameters: Container[str] = ()) -> str:
    """All blocks, block 0 first. `parameters` names those that are not trained."""
    stored = _stored_names(program)
    return "".join(show_block(block, stored, parameters) for block in program.blocks)


def show_var(var: Variable, name: str | None = None, *, is_parameter: bool = False) -> str:
    """A Variable's line: `var x : LOD_TENSOR.shape(-1, 10).dtype(float32).stop_gradient(True)`."""
    kind = "trainable param" if var.trainable else "param" if is_parameter else "var"
    persist = "persist " if var.persistable else ""
    shape = tuple(dim if isinstance(dim, int) else -1 for dim in var.shape)
    return (
        f"{persist}{kind} {name or var.base_name} : LOD_TENSOR.shape{shape}"
        f".dtype({var.dtype.name}).stop_gradient({var.stop_gradient})"
    )


def show_op(op: OpDesc, stored: dict[Variable, str] | None = None) -> str:
    """An op's line: `{Out=['y']} = relu(inputs={X=['x']}, op_device = , ...)`."""
    names = stored or {}

    def slots(found: dict[str, list[Variable]]) -> str:
        texts = [
            f"{slot}={[names.get(var, var.base_name) for var in found[slot]]}"
            for slot in sorted(found) if found[slot]
        ]  # fmt: skip
        return "{" + ", ".join(texts) + "}"

    attrs = {**_OP_ATTRS, **op.attrs}
    shown = ", ".join(f"{name} = {_show_attr(attrs[name])}" for name in sorted(attrs))
    head = f"{slots(op.outputs)} = " if any(op.outputs.values()) else ""
    return f"{head}{op.type}(inputs={slots(op.inputs)}, {shown})"


def _stored_names(program: Program) -> dict[Variable, str]:
    """For values that an `assign_persistable` stores: the persistable's name."""
    stored: dict[Variable, str] = {}
    for op in program.global_block.ops:
        value, target = op.input("X"), op.input("Target")
        if op.type == "assign_persistable" and value and target and value.op is not None:
            stored[value] = target.name
    return stored


def show_block(block: Block, stored: dict[Variable, str], parameters: Container[str] = ()) -> str:
    """A block's Variables, then its ops. `stored` names what is written to persistables."""
    lines: dict[str, str] = {}
    for var in block.vars.values():
        if var not in stored:
            line = show_var(var, is_parameter=var.name in parameters)
            lines.setdefault(var.base_name, line)
    ops = [show_op(op, stored) for op in block.ops if op.type != "assign_persistable"]
    body = [*(f"    {line}" for line in lines.values()), "", *(f"    {line}" for line in ops)]
    return "\n".join([f"{{ // block {block.idx}", *body, "}", ""])


def _show_attr(value: Any) -> str:
    if isinstance(value, Block):
        return f"block[{value.idx}]"
    if isinstance(value, DType):
        return str(value.code)
    if isinstance(value, SymDim):
        return "-1"
    if isinstance(value, (list, tuple)):
        return (
            "[" + ", ".join(repr(v) if isinstance(v, str) else _show_attr(v) for v in value) + "]"
        )
    return str(value)
