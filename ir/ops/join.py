"""Putting tensors together and taking them apart: concat, stack, split, unstack, unbind, tile, meshgrid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import TensorType, axis_in, fail, fail_type, require, show
from ..numerics import Array
from ..opdef import boolean, f32, f64, i32, i64, op, sample


def _one_dtype(xs: Sequence[TensorType]) -> None:
    if not xs:
        fail("needs at least one tensor in X, got none")
    if len({x.dtype for x in xs}) > 1:
        fail_type(f"needs tensors of one dtype in X, got {', '.join(x.dtype.name for x in xs)}")


def _concat_infer(xs: Sequence[TensorType], axis: int) -> TensorType:
    _one_dtype(xs)
    first = xs[0]
    if first.ndim == 0:
        fail("needs tensors of at least 1 dim in X, got 0-d tensors; stack them instead")
    along = axis_in(axis, first.ndim)
    total: Dim = first.shape[along]
    for x in xs[1:]:
        message = (
            f"needs tensors that are equal in all dims but {along} in X, "
            f"got {show(first.shape)} and {show(x.shape)}"
        )
        if x.ndim != first.ndim:
            fail(message)
        for i, (a, b) in enumerate(zip(first.shape, x.shape, strict=True)):
            if i != along:
                require(a, "==", b, message)
        total = x.shape[along] + total
    return TensorType((*first.shape[:along], total, *first.shape[along + 1 :]), first.dtype)


def _concat_grad(F: Emitter, c: GradContext) -> tuple[Any, ...]:
    axis = axis_in(c["axis"], F.type_of(c.g).ndim)
    grads: list[Any] = []
    start: Dim = 0
    for x, needed in zip(c.x, c.needs[0], strict=True):
        end = F.type_of(x).shape[axis] + start
        part = F.slice(c.g, axes=[axis], starts=[start], ends=[end]) if needed else None
        grads.append(part)
        start = end
    return (grads,)


op(
    "concat", "X*", attrs={"axis": 0}, infer=_concat_infer,
    reference=lambda xs, axis: np.concatenate(xs, axis),
    grad=_concat_grad,
    samples=[
        sample([f32(2, 3), f32(4, 3)]), sample([f32(2, 3), f32(2, 1), f32(2, 2)], axis=-1),
        sample([f32(2, 3)], axis=1), sample([f32(0, 3), f32(2, 3)]), sample([f32(1), f32(2)]),
        sample([f64(2, 1, 2), f64(2, 3, 2)], axis=1), sample([i64(2), i64(3)]),
        sample([boolean(2), boolean(1)]),
    ],
)  # fmt: skip
