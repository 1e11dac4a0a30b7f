"""Making parameters: their name, first value and flags."""

from __future__ import annotations

from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype

from .autograd import grad_mode
from .dispatch import tracer, tracing
from .param_attr import ParamAttr
from .tensor import Parameter
from .unique_name import generate


def create_parameter(
    shape: Any,
    dtype: Any,
    name: str | None = None,
    attr: Any = None,
    is_bias: bool = False,
    default_initializer: Any = None,
) -> Any:
    """A parameter of this shape and dtype; XavierUniform by default, zeros for a bias.

    >>> import wherry as paddle
    >>> paddle.create_parameter([2, 3], "float32").stop_gradient
    False
    """
    found = (ParamAttr.of(attr) or ParamAttr()).named(name)
    return make_parameter(shape, dtype, found, "create_parameter_0", is_bias, default_initializer)


def make_parameter(
    shape: Any, dtype: Any, attr: ParamAttr, owner: str, is_bias: bool, default: Any
) -> Any:
    """A parameter named after its owner (`linear_0.w_0`) unless the attr names it.

    In static mode it is one of the Program, without data.
    """
    from .nn.initializer import initializer_for
    from .ops.convert import dims_of

    sizes = [int(d) for d in dims_of(shape)]
    if any(size < 0 for size in sizes):
        raise ValueError(f"a parameter needs sizes >= 0, got {sizes}")
    active = tracer.get()
    made = active and active.parameter(sizes, as_dtype(dtype), attr, owner, is_bias, default)
    if made is not None:
        return made
    name = attr.name or generate(f"{owner}.{'b' if is_bias else 'w'}")
    param = Parameter(np.empty(sizes, as_dtype(dtype).numpy), attr.trainable, name)
    # A parameter that is made inside a trace is data, not part of the Program.
    with tracing(None), grad_mode(False):
        initializer_for(attr.initializer, default, is_bias)(param)
    param.optimize_attr = {"learning_rate": attr.learning_rate}
    param.regularizer, param.need_clip = attr.regularizer, attr.need_clip
    return param
