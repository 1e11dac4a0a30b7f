"""Values of which LLVM does not know where they are from: they go through an assembly statement.

The statement is empty, so it is no instruction. It may be moved, left out or done once for many, as
whatever has no effect.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

# llvmlite knows no `willreturn`. Without it LLVM takes no load out of a loop from behind it.
_PURE = ("readnone", "nounwind", "willreturn")


def hidden(builder: ir.IRBuilder, value: ir.Value, register: str) -> ir.Value:
    """The value, which a register of the kind with this letter holds."""
    return _through(builder, f"={register},0", value)


def known_after(
    builder: ir.IRBuilder, address: ir.Value, vector: ir.Value, letter: str
) -> ir.Value:
    """The address, which LLVM cannot know before the vector."""
    return _through(builder, f"=r,0,{letter}", address, vector)


def _through(builder: ir.IRBuilder, constraint: str, value: ir.Value, *more: ir.Value) -> ir.Value:
    operands = [value, *more]
    kind = ir.FunctionType(value.type, [operand.type for operand in operands])
    call: Any = builder.call(ir.InlineAsm(kind, "", constraint), operands)
    set.update(call.attributes, _PURE)
    return call
