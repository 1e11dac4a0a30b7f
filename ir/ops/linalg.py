"""Matrices: inverses, determinants, systems of equations and factors.

What these mean is LAPACK's, by way of numpy; compiled code asks its caller (`schema/host.py`).
Stacks of matrices stand in the last two axes.
"""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import float32, float64
from wherry.schema.host import HOST

from ..emit import Emitter, GradContext
from ..infer import TensorType, broadcast_shapes, fail, fail_type, require, show
from ..opdef import f32, f64, lit, op, sample
from ..rules import same_dtype
from .build import permuted
from .grads import reshape_to, unbroadcast

# Far from singular, and not symmetric.
MATRIX = [[4.0, 1.0, -0.5], [0.5, 3.0, 1.0], [1.0, -1.0, 5.0]]
STACK = [MATRIX, [[2.0, 0.0, 1.0], [1.0, -3.0, 0.5], [0.0, 1.0, 2.5]]]
DEFINITE = [[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 5.0]]


def host(type: str, *arrays: Any, **attrs: Any) -> Any:
    found = HOST[type](*arrays, **attrs)
    return found if len(found) > 1 else found[0]


def matrices(x: TensorType, slot: str = "X") -> TensorType:
    if x.dtype not in (float32, float64):
        fail_type(f"needs {slot}'s dtype to be float32 or float64, got {x.dtype.name}")
    if x.ndim < 2:
        fail(f"needs {slot} with at least 2 dims, got {slot} = {show(x.shape)}")
    return x


def square(x: TensorType, slot: str = "X", **_: Any) -> TensorType:
    rows, columns = matrices(x, slot).shape[-2:]
    require(rows, "==", columns, f"needs square matrices in {slot}, got {slot} = {show(x.shape)}")
    return x


def turned(F: Emitter, x: Any) -> Any:
    """The matrices' transposes."""
    ndim = F.type_of(x).ndim
    return permuted(F, x, [*range(ndim - 2), ndim - 1, ndim - 2])


def multiplied(F: Emitter, *matrices: Any) -> Any:
    first, *rest = matrices
    for one in rest:
        first = F.matmul_v2(first, one)
    return first


op(
    "inverse", "Input", "Output",
    infer=lambda x: square(x, "Input"),
    reference=lambda x: host("inverse", x),
    grad=lambda F, c: (
        F.scale(multiplied(F, turned(F, c.out), c.g, turned(F, c.out)), scale=-1.0, bias=0.0),
    ),
    samples=[
        sample(lit(MATRIX)), sample(lit(STACK, "float64")), sample(f32(0, 0)),
        sample(f32(0, 2, 2)),
    ],
)  # fmt: skip


def _inmatrices(F: Emitter, numbers: Any) -> Any:
    """One number for each matrix, as a matrix of one element."""
    return reshape_to(F, numbers, (*F.type_of(numbers).shape, 1, 1))


def _det_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    scale = _inmatrices(F, F.elementwise_mul(c.g, c.out))
    return (F.elementwise_mul(turned(F, F.inverse(c.x)), scale),)


op(
    "determinant", "Input",
    infer=lambda x: TensorType(square(x, "Input").shape[:-2], x.dtype),
    reference=lambda x: host("determinant", x),
    grad=_det_grad,
    samples=[sample(lit(MATRIX)), sample(lit(STACK, "float64")), sample(f32(2, 0, 0))],
)  # fmt: skip


def _slogdet_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    shape = F.type_of(c.g).shape[1:]
    logarithm = reshape_to(F, F.slice(c.g, axes=[0], starts=[1], ends=[2]), shape)
    return (F.elementwise_mul(turned(F, F.inverse(c.x)), _inmatrices(F, logarithm)),)


op(
    # The sign, and the logarithm of the absolute value, one behind the other.
    "slogdeterminant", "Input",
    infer=lambda x: TensorType((2, *square(x, "Input").shape[:-2]), x.dtype),
    reference=lambda x: host("slogdeterminant", x),
    grad=_slogdet_grad,
    samples=[sample(lit(MATRIX)), sample(lit(STACK, "float64")), sample(f32(2, 0, 0))],
)  # fmt: skip


def _solve_infer(x: TensorType, y: TensorType) -> TensorType:
    same_dtype(square(x), matrices(y, "Y"))
    got = f"X {show(x.shape)} and Y {show(y.shape)}"
    require(x.shape[-1], "==", y.shape[-2], f"needs as many rows in Y as in X, got {got}")
    return TensorType((*broadcast_shapes(x.shape[:-2], y.shape[:-2]), *y.shape[-2:]), x.dtype)


def _solve_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    right = F.solve(turned(F, c.x), c.g)
    left = F.matmul_v2(F.scale(right, scale=-1.0, bias=0.0), c.out, trans_y=True)
    return unbroadcast(F, left, c.x), unbroadcast(F, right, c.y)


op(
    "solve", "X Y",
    infer=_solve_infer,
    reference=lambda x, y: host("solve", x, y),
    grad=_solve_grad,
    samples=[
        sample(lit(MATRIX), f32(3, 2)), sample(lit(STACK, "float64"), f64(3, 1)),
        sample(lit(MATRIX), f32(2, 3, 2)), sample(f32(0, 0), f32(0, 2)),
        sample(lit(MATRIX), f32(3, 0)),
    ],
)  # fmt: skip


def symmetric(F: Emitter, x: Any) -> Any:
    """The mean of matrices and their transposes: the gradient of who knows that they are equal."""
    return F.scale(F.elementwise_add(x, turned(F, x)), scale=0.5, bias=0.0)


def _half_diagonal(F: Emitter, x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    both = F.elementwise_add(F.tril_triu(x), F.tril_triu(x, diagonal=-1))
    return F.scale(both, scale=0.5, bias=0.0)


def _cholesky_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    factor, g = (turned(F, c.out), turned(F, c.g)) if c["upper"] else (c.out, c.g)
    inverse = F.inverse(factor)
    inner = _half_diagonal(F, F.matmul_v2(factor, g, trans_x=True))
    found = multiplied(F, turned(F, inverse), inner, inverse)
    return (symmetric(F, found),)


# The gradient is that of symmetric matrices: differences of one element show another one.
op(
    "cholesky", "X", attrs={"upper": False},
    infer=square,
    reference=lambda x, upper: host("cholesky", x, upper=upper),
    grad=_cholesky_grad,
    samples=[
        sample(lit(DEFINITE), grad=False),
        sample(lit([DEFINITE], "float64"), upper=True, grad=False),
        sample(f32(0, 0), grad=False),
    ],
)  # fmt: skip
