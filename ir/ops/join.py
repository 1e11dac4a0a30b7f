"""Putting tensors together and taking them apart: concat, stack, split, unstack, unbind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..dims import Dim
from ..emit import Emitter, GradContext
from ..infer import TensorType, axis_in, fail, fail_type, require, show
from ..numerics import Array
from ..opdef import boolean, f32, f64, i64, op, sample
from ..rules import dim_in, same_shape


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


def _stack_infer(xs: Sequence[TensorType], axis: int) -> TensorType:
    _one_dtype(xs)
    first = xs[0]
    for x in xs[1:]:
        message = f"needs tensors of one shape in X, got {show(first.shape)} and {show(x.shape)}"
        same_shape(first.shape, x.shape, message)
    at = axis_in(axis, first.ndim + 1)
    return TensorType((*first.shape[:at], len(xs), *first.shape[at:]), first.dtype)


def _parts(F: Emitter, x: Any, axis: int, needs: Sequence[bool]) -> list[Any]:
    """x taken apart along an axis; None for a part that is not needed."""

    def part(i: int) -> Any:
        return F.slice(x, axes=[axis], starts=[i], ends=[i + 1], decrease_axis=[axis])

    return [part(i) if needed else None for i, needed in enumerate(needs)]


op(
    "stack", "X*", "Y", attrs={"axis": 0}, infer=_stack_infer,
    reference=lambda xs, axis: np.stack(xs, axis),
    expand=lambda F, xs, axis: F.concat(
        [F.unsqueeze2(x, axes=[axis]) for x in xs], axis=axis
    ),
    grad=lambda F, c: (_parts(F, c.g, c["axis"], c.needs[0]),),
    samples=[
        sample([f32(2, 3), f32(2, 3)]), sample([f32(2, 3), f32(2, 3), f32(2, 3)], axis=-1),
        sample([f32(), f32()]), sample([f32(3)], axis=1), sample([f32(0), f32(0)], axis=1),
        sample([f64(2), f64(2)], axis=-2), sample([i64(2), i64(2)]),
        sample([boolean(2), boolean(2)]),
    ],
)  # fmt: skip


def split_sizes(dim: Dim, num: int, sections: Sequence[Any]) -> list[Dim]:
    """The sizes of the parts: `num` equal ones, or `sections`, where one -1 takes the rest."""
    if not sections:
        message = f"needs a dim that num divides, got a dim of {dim} and num {num}"
        if num < 1:
            fail(f"needs num >= 1 or sections, got num {num}")
        require(dim % num, "==", 0, message)
        return [dim // num] * num
    unknown = [i for i, part in enumerate(sections) if isinstance(part, int) and part == -1]
    if len(unknown) > 1:
        fail(f"needs at most one -1 in sections, got {list(sections)}")
    sizes: list[Dim] = list(sections)
    message = f"needs sections that add up to the dim of {dim}, got {list(map(str, sections))}"
    total = _sum(size for i, size in enumerate(sizes) if i not in unknown)
    if unknown:
        require(total, "<=", dim, message)
        sizes[unknown[0]] = dim - total
    else:
        require(total, "==", dim, message)
    return sizes


def _sum(dims: Iterable[Dim]) -> Dim:
    total: Dim = 0
    for dim in dims:
        total = dim + total
    return total


def _split_infer(x: TensorType, axis: int, num: int, sections: Sequence[Any]) -> list[TensorType]:
    along = dim_in(axis, x.ndim)
    sizes = split_sizes(x.shape[along], num, sections)
    before, behind = x.shape[:along], x.shape[along + 1 :]
    return [TensorType((*before, size, *behind), x.dtype) for size in sizes]


def _split(x: Array, axis: int, num: int, sections: Sequence[int]) -> list[Array]:
    sizes = split_sizes(x.shape[axis], num, sections)
    return np.split(x, np.cumsum(np.array(sizes, np.int64))[:-1], axis)


def _split_expand(F: Emitter, x: Any, axis: int, num: int, sections: Sequence[Any]) -> list[Any]:
    shape = F.type_of(x).shape
    along = axis_in(axis, len(shape))
    parts: list[Any] = []
    start: Dim = 0
    for size in split_sizes(shape[along], num, sections):
        parts.append(F.slice(x, axes=[along], starts=[start], ends=[size + start]))
        start = size + start
    return parts


def _joined_grads(F: Emitter, c: GradContext, join: str) -> tuple[Any, ...]:
    grads = [
        F.fill_any_like(out, value=0.0) if g is None else g
        for g, out in zip(c.g, c.out, strict=True)
    ]
    return (getattr(F, join)(grads, axis=c["axis"]),)


op(
    "split", "X", "Out*", attrs={"axis": 0, "num": 0, "sections": []}, infer=_split_infer,
    reference=_split,
    expand=_split_expand,
    grad=lambda F, c: _joined_grads(F, c, "concat"),
    samples=[
        sample(f32(6, 2), num=3), sample(f32(2, 5), axis=1, sections=[2, 3]),
        sample(f32(2, 5), axis=-1, sections=[1, -1, 2]), sample(f32(3), num=1),
        sample(f32(0, 4), axis=1, num=2), sample(f64(4), sections=[0, 4]), sample(i64(4), num=2),
    ],
)  # fmt: skip


def _unstack_infer(x: TensorType, axis: int, num: int | None = None) -> list[TensorType]:
    along = dim_in(axis, x.ndim)
    size = x.shape[along]
    if not isinstance(size, int):
        fail(f"needs a known size along axis {axis}, because it gives so many tensors, got {size}")
    if num is not None and num != size:
        fail(f"needs num equal to the size {size} of axis {axis}, got {num}")
    return [TensorType((*x.shape[:along], *x.shape[along + 1 :]), x.dtype)] * size


def _unstack(x: Array, axis: int, num: int | None = None) -> list[Array]:
    return list(np.moveaxis(x, axis, 0))


def _unstack_expand(F: Emitter, x: Any, axis: int, num: int | None = None) -> list[Any]:
    shape = F.type_of(x).shape
    along = axis_in(axis, len(shape))
    size = shape[along]
    assert isinstance(size, int), "infer refuses a size that is not known"
    return _parts(F, x, along, [True] * size)


def _declare_unstack(type: str, out: str, attrs: dict[str, Any]) -> None:
    op(
        type, "X", f"{out}*", attrs={"axis": 0, **attrs}, infer=_unstack_infer,
        reference=_unstack,
        expand=_unstack_expand,
        grad=lambda F, c: _joined_grads(F, c, "stack"),
        # One tensor for each element along the axis: its size cannot be a symbol.
        samples=[
            sample(f32(3, 2)), sample(f32(2, 3), axis=1), sample(f32(2, 3), axis=-2),
            sample(f32(1)), sample(f32(2, 0)), sample(f64(2, 2)), sample(i64(2)),
        ],
    )  # fmt: skip


_declare_unstack("unstack", "Y", {"num": None})
_declare_unstack("unbind", "Out", {})
