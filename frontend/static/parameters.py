"""Persistables of static mode: a Variable of the main Program, and its first value in the startup
Program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wherry.ir import program as ir
from wherry.schema.dtypes import DType, as_dtype

from ..dispatch import tracing
from ..nn.initializer import Constant, Initializer, Orthogonal, TruncatedNormal, initializer_for
from ..param_attr import ParamAttr
from ..tensor import Tensor
from ..unique_name import generate
from .mode import building, default_startup_program
from .program import Program
from .tracer import StaticTracer
from .variable import Variable
from .weight_norm import WeightNormParamAttr, normalized_weight

# These compute with drawn numbers on the host, so they draw when the startup Program is built.
_ON_HOST = (TruncatedNormal, Orthogonal)


def make_parameter(active: StaticTracer, layer: str, shape: Sequence[int], dtype: DType, attr: Any,
                   is_bias: bool = False, default: Any = None) -> Any:  # fmt: skip
    """A parameter named `fc_0.w_0` unless the attr names it; None where the attr is False.

    A name that the Program has already gives that parameter. ValueError if its shape is another.
    """
    found = ParamAttr.of(attr)
    if found is None:
        return None
    name = found.name or generate(f"{layer}.{'b' if is_bias else 'w'}")
    if isinstance(found, WeightNormParamAttr):
        return normalized_weight(
            active, default_startup_program(), name, list(shape), dtype, found,
            lambda part, sizes, own: make_parameter(active, layer, sizes, dtype, own, is_bias,
                                                    default),
        )  # fmt: skip
    known = active.program.global_block.vars.get(name)
    if known is not None:
        if known.shape != tuple(shape) or known.dtype is not dtype:
            raise ValueError(
                f"Parameter '{name}' has been created before. The previous one is {known.type}, "
                f"the new one has the shape {list(shape)} and the dtype {dtype.name}."
            )
        return active.traced(known)
    active.owner.attrs[name] = found
    var = _declare(active.program, name, shape, dtype, found.trainable)
    startup = default_startup_program()
    startup.attrs[name] = found
    _initialize(startup, var, initializer_for(found.initializer, default, is_bias))
    return active.traced(var)


def make_state(active: StaticTracer, name: str, shape: Sequence[int], dtype: DType,
               value: float) -> Variable:  # fmt: skip
    """A persistable that is no parameter, filled with one number by the startup Program."""
    var = _declare(active.program, name, shape, dtype, trainable=False)
    _initialize(default_startup_program(), var, Constant(value))
    return active.traced(var)


def create_parameter(
    shape: Sequence[int],
    dtype: Any,
    name: str | None = None,
    attr: Any = None,
    is_bias: bool = False,
    default_initializer: Any = None,
) -> Any:
    """A parameter of the Program: XavierUniform by default, zeros for a bias.

    >>> import wherry as paddle
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     paddle.static.create_parameter([2, 3], "float32", name="w").name
    'w'
    >>> paddle.disable_static()
    """
    active = building("paddle.static.create_parameter")
    found = ParamAttr.of(attr)
    layer = generate("create_parameter")
    sizes = [int(size) for size in shape]
    return make_parameter(
        active,
        layer,
        sizes,
        as_dtype(dtype),
        found.named(name) if found else False,
        is_bias,
        default_initializer,
    )


def create_global_var(
    shape: Sequence[int], value: float, dtype: Any, persistable: bool = False,
    force_cpu: bool = False, name: str | None = None,
) -> Variable:  # fmt: skip
    """A Variable that starts as one number everywhere, and keeps what is written to it.

    Its value always lives in the scope, as that of a `persistable` one does.
    """
    active = building("paddle.static.create_global_var")
    known = name or generate("_generated_var")
    return make_state(active, known, [int(size) for size in shape], as_dtype(dtype), value)


def _declare(
    program: ir.Program, name: str, shape: Sequence[int], dtype: DType, trainable: bool
) -> ir.Variable:
    return program.global_block.create_var(
        name, shape, dtype, persistable=True, stop_gradient=not trainable, trainable=trainable
    )


def _initialize(startup: Program, var: ir.Variable, initializer: Initializer) -> None:
    """Let the startup Program give the persistable its first value."""
    if var.name in startup.desc.names:
        return
    shape = [int(d) for d in var.shape]
    target = _declare(startup.desc, var.name, shape, var.dtype, var.trainable)
    tracer = startup.tracer
    with tracing(tracer), tracer.naming(f"{var.name}.init"):
        tracer.assign(tracer.traced(target), _first_value(tracer, var, initializer))


def _first_value(tracer: StaticTracer, var: ir.Variable, initializer: Initializer) -> Any:
    shape = [int(d) for d in var.shape]
    if isinstance(initializer, Constant):
        return tracer.emit("fill_constant", shape=shape, value=initializer.number, dtype=var.dtype)
    like = Tensor(np.empty(shape, var.dtype.numpy))
    if isinstance(initializer, _ON_HOST):
        with tracing(None):
            return tracer.constant(initializer.value(like).array)
    value = initializer.value(like)
    return value if isinstance(value, Variable) else tracer.constant(value.array)
