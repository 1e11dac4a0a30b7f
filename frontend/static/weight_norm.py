"""WeightNormParamAttr: a weight as a direction times a length, both of which are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.schema.dtypes import DType

from ..dispatch import run_op, tracing
from ..nn.initializer import Constant
from ..param_attr import ParamAttr
from .program import Program
from .tracer import StaticTracer

Make = Callable[[str, list[int], ParamAttr], Any]


class WeightNormParamAttr(ParamAttr):
    """The attr of a weight g * v / |v|, where v is first what the initializer says and g its norm.

    With a `dim` there is a norm for each index along it, else one for all. The parameters are
    called after the weight: `fc_0.w_0_g` and `fc_0.w_0_v`.

    >>> import wherry as paddle
    >>> attr = WeightNormParamAttr(dim=1, name="w")
    >>> paddle.enable_static()
    >>> with paddle.static.program_guard(paddle.static.Program(), paddle.static.Program()):
    ...     out = paddle.static.nn.fc(paddle.static.data("x", [None, 4]), 3, weight_attr=attr)
    ...     print([p.name for p in paddle.static.default_main_program().all_parameters()][:2])
    ['w_g', 'w_v']
    >>> paddle.disable_static()
    """

    def __init__(
        self,
        dim: int | None = None,
        name: str | None = None,
        initializer: Any = None,
        learning_rate: float = 1.0,
        regularizer: Any = None,
        trainable: bool = True,
        do_model_average: bool = False,
        need_clip: bool = True,
    ) -> None:
        super().__init__(
            name, initializer, learning_rate, regularizer, trainable, do_model_average, need_clip
        )
        self.dim = dim

    def plain(self, name: str, initializer: Any) -> ParamAttr:
        """The attr of one of its two parameters."""
        return ParamAttr(
            name, initializer, self.learning_rate, self.regularizer, self.trainable,
            self.do_model_average, self.need_clip,
        )  # fmt: skip


def normalized_weight(
    active: StaticTracer, startup: Program, name: str, shape: list[int], dtype: DType,
    attr: WeightNormParamAttr, make: Make,
) -> Any:  # fmt: skip
    """The weight of a WeightNormParamAttr; `make` makes a parameter of the main Program."""
    dim = attr.dim if attr.dim is None else range(len(shape))[attr.dim]
    long = [size if axis == dim else 1 for axis, size in enumerate(shape)]
    others = [axis for axis in range(len(shape)) if axis != dim]
    length = make(f"{name}_g", long, attr.plain(f"{name}_g", Constant(1.0)))
    direction = make(f"{name}_v", shape, attr.plain(f"{name}_v", attr.initializer))
    begin = startup.tracer
    with tracing(begin), begin.naming(f"{name}.init"):
        first = begin.traced(startup.desc.global_block.vars[direction.name])
        target = begin.traced(startup.desc.global_block.vars[length.name])
        begin.assign(target, _norm(begin.as_traced(first), others))
    with active.part(f"{name}.weight_norm"):
        scale = run_op("elementwise_div", length, _norm(direction, others))
        return run_op("elementwise_mul", direction, scale)


def _norm(x: Any, axes: list[int]) -> Any:
    """The square root of the sum of squares over these axes, which stay as 1."""
    squares = run_op("square", x)
    return run_op("sqrt", run_op("reduce_sum", squares, dim=axes, keep_dim=True))
