"""A small model for the tests of files: symbolic dims, a guard, a parameter, source lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wherry.ir.dims import symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.infer import Guard
from wherry.ir.program import Program
from wherry.ir.serialize import save_program
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc


def build_program() -> Program:
    """y = relu(x + w), with x of [B, 3]."""
    f32 = as_dtype("float32")
    program = Program()
    b = symbol("B")
    x = program.global_block.add_arg("x", (b, 3), f32, is_data=True)
    w = program.add_constant("w", np.array([1.0, -2.0, 3.0], np.float32), f32)
    emit = BlockEmitter(program.global_block, Loc("net.py", 12, "return relu(x + self.w)"))
    program.global_block.results.append(emit.relu(emit.elementwise_add(x, w)))
    program.guards.append(Guard(b, "<=", b * 2 + 1, "needs room", Loc("net.py", 3)))
    return program


@pytest.fixture
def program() -> Program:
    return build_program()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save the model with `w` scaled by a factor; gives the prefix."""

    def run(factor: float = 1.0, prefix: Path | None = None) -> Path:
        program = build_program()
        values: dict[str, Any] = {"w": program.values["w"] * np.float32(factor)}
        target = prefix or tmp_path / "net"
        info = {"w": {"structured_name": "lin.w", "trainable": True, "stop_gradient": False}}
        save_program(target, program, values, info, {"inputs": ["x"], "factor": factor})
        return target

    return run
