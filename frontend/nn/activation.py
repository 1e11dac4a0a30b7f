"""Activations as layers. Each calls the function of the same meaning in nn.functional."""

from __future__ import annotations

from typing import Any

from ..signatures import signature
from ..tensor import Tensor
from . import functional as F
from .initializer import Constant
from .layer import Layer


class _Activation(Layer):
    """A layer that applies `function`; `defaults` name its arguments, kept as attributes."""

    function: str
    defaults: dict[str, Any] = {}

    def __init__(self, *args: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__()
        values = {**self.defaults, **dict(zip(self.defaults, args, strict=False)), **kwargs}
        if len(args) > len(self.defaults) or set(values) - set(self.defaults):
            raise TypeError(
                f"{type(self).__name__} takes {list(self.defaults)}, got {args} {kwargs}"
            )
        for key, value in values.items():
            setattr(self, "_" + key, value)
        self._name = name

    def forward(self, x: Tensor) -> Tensor:
        values = {key: getattr(self, "_" + key) for key in self.defaults}
        out: Tensor = getattr(F, self.function)(x, **values)
        return out

    def extra_repr(self) -> str:
        shown = [f"{key}={getattr(self, '_' + key)}" for key in self.defaults]
        return ", ".join([*shown, f"name={self._name}"] if self._name else shown)


def _layer(name: str, function: str, **defaults: Any) -> Any:
    """A class of layer for one function; its arguments with their defaults."""
    doc = f"""`paddle.nn.functional.{function}` as a layer.

    >>> import wherry as paddle
    >>> paddle.nn.{name}()(paddle.ones([1, 2])).shape
    [1, {1 if function == "glu" else 2}]
    """
    body = {
        "function": function, "defaults": defaults, "__doc__": doc, "__module__": __name__,
        "__signature__": signature([], {**defaults, "name": None}),
    }  # fmt: skip
    return type(name, (_Activation,), body)


ReLU = _layer("ReLU", "relu")
ReLU6 = _layer("ReLU6", "relu6")
Sigmoid = _layer("Sigmoid", "sigmoid")
Tanh = _layer("Tanh", "tanh")
Silu = _layer("Silu", "silu")
Swish = _layer("Swish", "swish")
Mish = _layer("Mish", "mish")
Softsign = _layer("Softsign", "softsign")
Tanhshrink = _layer("Tanhshrink", "tanhshrink")
Hardswish = _layer("Hardswish", "hardswish")
Hardsigmoid = _layer("Hardsigmoid", "hardsigmoid")
LogSigmoid = _layer("LogSigmoid", "log_sigmoid")
GELU = _layer("GELU", "gelu", approximate=False)
LeakyReLU = _layer("LeakyReLU", "leaky_relu", negative_slope=0.01)
ELU = _layer("ELU", "elu", alpha=1.0)
CELU = _layer("CELU", "celu", alpha=1.0)
SELU = _layer("SELU", "selu", scale=1.0507009873554805, alpha=1.6732632423543772)
Hardshrink = _layer("Hardshrink", "hardshrink", threshold=0.5)
Softshrink = _layer("Softshrink", "softshrink", threshold=0.5)
Hardtanh = _layer("Hardtanh", "hardtanh", min=-1.0, max=1.0)
Softplus = _layer("Softplus", "softplus", beta=1, threshold=20)
ThresholdedReLU = _layer("ThresholdedReLU", "thresholded_relu", threshold=1.0)
Softmax = _layer("Softmax", "softmax", axis=-1)
LogSoftmax = _layer("LogSoftmax", "log_softmax", axis=-1)
GLU = _layer("GLU", "glu", axis=-1)


class RReLU(Layer):
    """`paddle.nn.functional.rrelu` as a layer: random slopes in training, their mean in eval mode.

    >>> import wherry as paddle
    >>> paddle.nn.RReLU()(paddle.to_tensor([2.0])).tolist()
    [2.0]
    """

    def __init__(
        self, lower: float = 1.0 / 8.0, upper: float = 1.0 / 3.0, name: str | None = None
    ) -> None:
        super().__init__()
        self._lower, self._upper, self._name = lower, upper, name

    def forward(self, x: Tensor) -> Tensor:
        return F.rrelu(x, self._lower, self._upper, self.training)

    def extra_repr(self) -> str:
        named = f", name={self._name}" if self._name else ""
        return (
            f"lower={self._lower}, upper={self._upper}, training={self.training}, "
            f"dtype={self._dtype.name}{named}"
        )


class Maxout(Layer):
    """`paddle.nn.functional.maxout` as a layer."""

    def __init__(self, groups: int, axis: int = 1, name: str | None = None) -> None:
        super().__init__()
        self._groups, self._axis = groups, axis

    def forward(self, x: Tensor) -> Tensor:
        return F.maxout(x, self._groups, self._axis)

    def extra_repr(self) -> str:
        return f"groups={self._groups}, axis={self._axis}"


class PReLU(Layer):
    """x where x > 0, else a learned weight times x: one number, or one per channel.

    >>> import wherry as paddle
    >>> paddle.nn.PReLU()(paddle.to_tensor([-4.0])).tolist()
    [-1.0]
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, weight_attr: Any = None,
        data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._num_parameters, self._init, self._data_format = num_parameters, init, data_format
        self._weight = self.create_parameter(
            [num_parameters], weight_attr, default_initializer=Constant(init)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self._weight, self._data_format)

    def extra_repr(self) -> str:
        return (
            f"num_parameters={self._num_parameters}, data_format={self._data_format}, "
            f"init={self._init}, dtype={self._dtype.name}"
        )


__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Maxout",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "ThresholdedReLU",
]  # fmt: skip
