"""Parameters of static mode: a Variable of the main Program, and its first value in the startup
Program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.ir import program as ir
from wherry.schema.dtypes import DType

from ..dispatch import tracing
from ..nn.initializer import Constant, Initializer, Orthogonal, TruncatedNormal, initializer_for
from ..param_attr import ParamAttr
from ..tensor import Tensor
from ..unique_name import generate
from .mode import default_startup_program
from .program import Program, StaticTracer
from .variable import Variable

# These compute with drawn numbers on the host, so they draw when the startup Program is built.
_ON_HOST = (TruncatedNormal, Orthogonal)


def make_parameter(active: StaticTracer, layer: str, shape: Sequence[int], dtype: DType, attr: Any,
                   is_bias: bool = False, default: Any = None) -> Variable | None:  # fmt: skip
    """A parameter named `fc_0.w_0` unless the attr names it; None where the attr is False.

    A name that the Program has already gives that parameter. ValueError if its shape is another.
    """
    found = ParamAttr.of(attr)
    if found is None:
        return None
    name = found.name or generate(f"{layer}.{'b' if is_bias else 'w'}")
    known = active.program.global_block.vars.get(name)
    if known is not None:
        if known.shape != tuple(shape) or known.dtype is not dtype:
            raise ValueError(
                f"Parameter '{name}' has been created before. The previous one is {known.type}, "
                f"the new one has the shape {list(shape)} and the dtype {dtype.name}."
            )
        return active.traced(known)
    if isinstance(active.program, Program):
        active.program.attrs[name] = found
    var = _declare(active.program, name, shape, dtype, found.trainable)
    _initialize(var, initializer_for(found.initializer, default, is_bias))
    return active.traced(var)


def _declare(
    program: ir.Program, name: str, shape: Sequence[int], dtype: DType, trainable: bool
) -> ir.Variable:
    return program.global_block.create_var(
        name, shape, dtype, persistable=True, stop_gradient=not trainable, trainable=trainable
    )


def _initialize(var: ir.Variable, initializer: Initializer) -> None:
    """Let the startup Program give the parameter its first value."""
    startup = default_startup_program()
    if var.name in startup.names:
        return
    target = _declare(startup, var.name, [int(d) for d in var.shape], var.dtype, var.trainable)
    with tracing(startup.tracer), startup.tracer.naming(f"{var.name}.init"):
        startup.stored[target] = _first_value(startup, var, initializer).variable


def _first_value(startup: Program, var: ir.Variable, initializer: Initializer) -> Any:
    shape = [int(d) for d in var.shape]
    if isinstance(initializer, Constant):
        return startup.tracer.emit(
            "fill_constant", shape=shape, value=initializer.number, dtype=var.dtype
        )
    like = Tensor(np.empty(shape, var.dtype.numpy))
    if isinstance(initializer, _ON_HOST):
        with tracing(None):
            return startup.tracer.constant(initializer.value(like).array)
    value = initializer.value(like)
    made = isinstance(value, Variable)
    return value if made else startup.tracer.constant(value.array)
