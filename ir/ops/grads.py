"""What gradient rules share: undoing a broadcast, zeros, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..emit import Emitter, GradContext
from ..infer import Shape

GradRule = Callable[[Emitter, GradContext], tuple[Any, ...]]


def unbroadcast(F: Emitter, g: Any, like: Any) -> Any:
    """g summed over what broadcasting added, so that it has the shape of `like`."""
    source, target = F.type_of(g), F.type_of(like)
    if source.shape == target.shape:
        return g
    if not (source.is_static and target.is_static):
        return F.sum_to(g, like)
    return sum_static(F, g, target.shape)


def sum_static(F: Emitter, g: Any, target: Shape) -> Any:
    """g summed to the shape `target` where both shapes are ints."""
    source = F.type_of(g).shape
    missing = len(source) - len(target)
    axes = [
        axis
        for axis, size in enumerate(source)
        if axis < missing or (target[axis - missing] == 1 and size != 1)
    ]
    if axes:
        g = F.reduce_sum(g, dim=axes, keep_dim=True, out_dtype=F.type_of(g).dtype)
    return reshape_to(F, g, target)


def reshape_to(F: Emitter, x: Any, shape: Sequence[Any]) -> Any:
    """x in another shape; x itself when it has that one."""
    return x if F.type_of(x).shape == tuple(shape) else F.reshape2(x, shape=list(shape))


def expand_to(F: Emitter, x: Any, shape: Sequence[Any]) -> Any:
    """x broadcast to a shape; x itself when it has that one."""
    return x if F.type_of(x).shape == tuple(shape) else F.expand_v2(x, shape=list(shape))


def cast_to(F: Emitter, x: Any, dtype: Any) -> Any:
    """x as another dtype; x itself when it has that one."""
    return x if F.type_of(x).dtype is dtype else F.cast(x, out_dtype=dtype)


def zeros_like(F: Emitter, x: Any) -> Any:
    """Zeros of x's shape and dtype; x's data may be lost by now."""
    kind = F.type_of(x)
    return F.full(kind.shape, 0, kind.dtype)


def mask(F: Emitter, g: Any, condition: Any) -> Any:
    """g where the condition holds, else 0."""
    return F.where(condition, g, F.full_like(g, 0))


def times(F: Emitter, x: Any, number: float) -> Any:
    """x * number."""
    return F.scale(x, scale=number)


def plus(F: Emitter, x: Any, number: float) -> Any:
    """x + number."""
    return F.scale(x, bias=number)


def zero_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    """The gradient of a step function: zeros."""
    return (zeros_like(F, c.x),)


def unary(rule: Callable[[Emitter, Any, Any, Any], Any]) -> GradRule:
    """The gradient of an op of one input from `rule(F, g, x, out)`."""
    return lambda F, c: (rule(F, c.g, c.x, c.out),)


def binary(dx: Callable[..., Any], dy: Callable[..., Any]) -> GradRule:
    """The gradient of a broadcasting op from `dx` and `dy`, both of (F, g, x, y, out)."""

    def rule(F: Emitter, c: GradContext) -> tuple[Any, ...]:
        y = aligned(F, c.y, F.type_of(c.x).ndim, c.attrs.get("axis", -1))
        args = (F, c.g, c.x, y, c.out)
        gx = unbroadcast(F, dx(*args), c.x) if c.needs[0] else None
        gy = unbroadcast(F, dy(*args), y) if c.needs[1] else None
        return gx, None if gy is None else reshape_to(F, gy, F.type_of(c.y).shape)

    return rule


def aligned(F: Emitter, y: Any, ndim: int, axis: int) -> Any:
    """y with 1s behind it: its first dim then stands at dim `axis` of a tensor of `ndim` dims."""
    shape = F.type_of(y).shape
    if axis == -1 or axis + len(shape) == ndim:
        return y
    return reshape_to(F, y, (*shape, *[1] * (ndim - axis - len(shape))))
