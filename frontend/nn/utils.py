"""`paddle.nn.utils`: weights as length and direction, weights of norm 1, parameters as a vector,
clipping of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import grad_mode
from ..dispatch import update_buffer
from ..ops import linalg, math
from ..ops.convert import cast_to
from ..ops.reduce import sum as total
from ..ops.shape import concat, reshape
from ..tensor import Parameter, Tensor
from .layer import Layer
from .spectral import divided_by_sigma, power_iterations


def _norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm of each slice along an axis, as a vector; of the whole for None."""
    squares = v * v
    axes = [i for i in range(v.ndim) if i != dim]
    return math.sqrt(total(squares) if dim is None else total(squares, axes))


def _composed(v: Tensor, g: Tensor, dim: int | None) -> Tensor:
    if dim is None:
        return v * (g / _norm_except(v, None))
    shape = [v.shape[i] if i == dim else 1 for i in range(v.ndim)]
    return v * reshape(g / _norm_except(v, dim), shape)


def _compute(layer: Layer, name: str, rule: Callable[[Layer], Tensor]) -> None:
    """Let an attribute of a layer be what a function of the layer gives."""
    layer.__dict__.setdefault("_computed", {})[name] = rule


def _is_computed(layer: Layer, name: str) -> bool:
    return name in layer.__dict__.get("_computed", {})


def _weight(layer: Layer, name: str) -> Parameter:
    weight = layer._parameters.get(name)
    if weight is None:
        raise ValueError(f"{type(layer).__name__} has no parameter {name!r}")
    return weight


def weight_norm(layer: Layer, name: str = "weight", dim: int | None = 0) -> Layer:
    """Let a weight be computed in each call as length times direction: the parameters are then
    `name_g`, a length for each slice along `dim` (one length for None), and `name_v`.

    >>> import wherry as paddle
    >>> net = paddle.nn.utils.weight_norm(paddle.nn.Linear(2, 3), dim=1)
    >>> [key for key, _ in net.named_parameters()]
    ['bias', 'weight_v', 'weight_g']
    """
    if _is_computed(layer, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = _weight(layer, name)
    if dim is not None and not -weight.ndim <= dim < weight.ndim:
        raise ValueError(
            f"dim must set between [-R, R), R means the dimension of weight, {weight.ndim}; "
            f"got {dim}"
        )
    # As in Paddle, -1 too is one length for the whole weight.
    at = None if dim in (None, -1) else dim % weight.ndim if dim is not None else None
    with grad_mode.no_grad():
        length = _norm_except(weight, at)
    del layer._parameters[name]
    for key, value in ((name + "_v", weight), (name + "_g", length)):
        layer.add_parameter(key, Parameter(np.array(value.array)))

    def rule(layer: Layer) -> Tensor:
        g, v = (layer._parameters[name + part] for part in ("_g", "_v"))
        assert g is not None and v is not None
        return _composed(v, g, at)

    _compute(layer, name, rule)
    return layer


def remove_weight_norm(layer: Layer, name: str = "weight") -> Layer:
    """Make a weight one parameter again, with the value that it has now."""
    if not _is_computed(layer, name) or name + "_g" not in layer._parameters:
        raise ValueError(f"weight_norm of {name!r} not found in {type(layer).__name__}")
    with grad_mode.no_grad():
        value = getattr(layer, name)
    del layer.__dict__["_computed"][name]
    for key in (name + "_g", name + "_v"):
        del layer._parameters[key]
    layer.add_parameter(name, Parameter(np.array(value.array)))
    return layer


def spectral_norm(
    layer: Layer, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Layer:  # fmt: skip
    """Let a weight be divided in each call by its largest singular value, which power iterations
    find: `n_power_iterations` more in each call of training. The parameter is then `name_orig`.

    >>> import wherry as paddle
    >>> net = paddle.nn.utils.spectral_norm(paddle.nn.Linear(2, 3))
    >>> [key for key, _ in net.named_parameters()]
    ['bias', 'weight_orig']
    """
    if _is_computed(layer, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if n_power_iterations <= 0:
        raise ValueError(f"n_power_iterations must be positive, got {n_power_iterations}")
    weight = _weight(layer, name)
    at = dim
    if at is None:
        columns = ("Linear", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
        at = 1 if any(c.__name__ in columns for c in type(layer).__mro__) else 0
    rows = weight.shape[at]
    width = weight.size // rows
    rng = np.random.RandomState(0)
    del layer._parameters[name]
    layer.add_parameter(name + "_orig", Parameter(np.array(weight.array)))
    for key, size in (("_u", rows), ("_v", width)):
        vector = np.asarray(rng.randn(size))
        vector = (vector / max(float(np.linalg.norm(vector)), eps)).astype(weight.dtype.numpy)
        layer.register_buffer(name + key, Tensor(vector))

    def parts(layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
        w, u, v = (getattr(layer, name + key) for key in ("_orig", "_u", "_v"))
        return w, u, v

    def iterate(layer: Layer, inputs: Any) -> None:
        w, u, v = parts(layer)
        if layer.training:
            new_u, new_v = power_iterations(w, u, v, at, n_power_iterations, eps)
            update_buffer(u, new_u)
            update_buffer(v, new_v)

    def rule(layer: Layer) -> Tensor:
        w, u, v = parts(layer)
        # Copies: the iterations of later calls must not write what this call's gradient reads.
        return divided_by_sigma(w, math.scale(u.detach()), math.scale(v.detach()), at)

    layer.register_forward_pre_hook(iterate)
    _compute(layer, name, rule)
    return layer


def parameters_to_vector(parameters: Iterable[Tensor], name: str | None = None) -> Tensor:
    """All parameters, flattened, in one vector.

    >>> import wherry as paddle
    >>> paddle.nn.utils.parameters_to_vector(paddle.nn.Linear(2, 3).parameters()).shape
    [9]
    """
    return concat([reshape(p, [-1]) for p in parameters])


def vector_to_parameters(
    vec: Tensor, parameters: Iterable[Tensor], name: str | None = None
) -> None:
    """Write the parts of a vector, in order, into the parameters."""
    parameters = list(parameters)
    wanted = sum(p.size for p in parameters)
    if vec.size != wanted:
        raise ValueError(f"vector_to_parameters needs {wanted} elements, got {vec.shape}")
    start = 0
    with grad_mode.no_grad():
        for parameter in parameters:
            part = vec.detach()[start : start + parameter.size]
            parameter.set_value(cast_to(reshape(part, parameter.shape), parameter.dtype))
            start += parameter.size


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:  # fmt: skip
    """Scale all gradients so that their norm together is at most `max_norm`; returns the norm that
    they had.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([3.0, 4.0], stop_gradient=False)
    >>> (x * x / 2).sum().backward()
    >>> paddle.nn.utils.clip_grad_norm_(x, 1.0).item(), round(x.grad[0].item(), 4)
    (5.0, 0.6)
    """
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [p.grad for p in found if p.grad is not None]
    if norm_type not in (float("inf"), 0, 1, 2):
        raise ValueError(f"norm_type only support [inf, 0, 1, 2], got {norm_type}")
    if not grads:
        return Tensor(np.zeros((), np.float32))
    with grad_mode.no_grad():
        norms = [linalg.norm(reshape(g, [-1]), norm_type) for g in grads]
        norm = linalg.norm(concat([reshape(one, [1]) for one in norms]), norm_type)
        if error_if_nonfinite and not np.isfinite(norm.array):
            raise RuntimeError(
                f"The total norm of {norm_type} order of the gradients from `parameters` is "
                "non-finite, so it cannot be clipped; error_if_nonfinite=False lets it be"
            )
        factor = math.clip(max_norm / (norm + 1e-6), max=1.0)
        for p in found:
            if p.grad is not None:
                p.grad = p.grad * factor
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each number of all gradients to [-clip_value, clip_value]."""
    if clip_value < 0:
        raise ValueError(f"clip_value should be greater or equal to zero, got {clip_value}")
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with grad_mode.no_grad():
        for p in found:
            if p.grad is not None:
                p.grad = math.clip(p.grad, -clip_value, clip_value)


__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "remove_weight_norm",
    "spectral_norm", "vector_to_parameters", "weight_norm",
]  # fmt: skip
