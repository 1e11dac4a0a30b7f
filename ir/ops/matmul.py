"""Products that contract an axis: matmul_v2 and what is written in its terms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dims import Dim, product
from ..emit import Emitter, GradContext
from ..infer import Shape, TensorType, broadcast_dims, fail, require, show
from ..opdef import f32, f64, i64, lit, op, sample
from ..rules import numbers, same_dtype
from .build import affine, need_rank
from .grads import reshape_to, unbroadcast

Array = np.ndarray[Any, Any]


def _need_numbers(x: TensorType, y: TensorType) -> None:
    same_dtype(x, y)
    numbers(x)


def _matrix(shape: Shape, transposed: bool, is_x: bool) -> Shape:
    """The shape as a (stack of) matrices to multiply: 1-d X is a row, 1-d Y a column."""
    if len(shape) == 1:
        return (1, *shape) if is_x else (*shape, 1)
    return (*shape[:-2], shape[-1], shape[-2]) if transposed else shape


def _matmul_infer(x: TensorType, y: TensorType, *, trans_x: bool, trans_y: bool) -> TensorType:
    _need_numbers(x, y)
    got = f"X {show(x.shape)} and Y {show(y.shape)}"
    if not x.ndim or not y.ndim:
        fail(f"needs X and Y with at least 1 dim, got {got} (matmul)")
    a, b = _matrix(x.shape, trans_x, True), _matrix(y.shape, trans_y, False)
    flags = "".join(f" {n}" for n, on in (("trans_x", trans_x), ("trans_y", trans_y)) if on)
    require(
        a[-1], "==", b[-2],
        f"needs matrices whose inner sizes agree (matmul{flags}), got {got}: "
        f"{_size(a[-1])} columns of X against {_size(b[-2])} rows of Y",
    )  # fmt: skip
    batch = _batch(a[:-2], b[:-2], f"needs batch sizes that broadcast (matmul), got {got}")
    rows, columns = a[-2:-1] if x.ndim > 1 else (), b[-1:] if y.ndim > 1 else ()
    return TensorType((*batch, *rows, *columns), x.dtype)


def _size(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else "-1"


def _batch(a: Shape, b: Shape, message: str) -> Shape:
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    return tuple(broadcast_dims(m, n, message) for m, n in zip(a, b, strict=True))


def _matmul(x: Array, y: Array, *, trans_x: bool, trans_y: bool) -> Array:
    dtype = x.dtype
    if dtype == np.float16:
        x, y = x.astype(np.float32), y.astype(np.float32)
    x = np.swapaxes(x, -1, -2) if trans_x and x.ndim > 1 else x
    y = np.swapaxes(y, -1, -2) if trans_y and y.ndim > 1 else y
    return np.asarray(np.matmul(x, y), dtype)


def _matmul_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    (x, y), g = c.inputs, c.g
    x_type, y_type = F.type_of(x), F.type_of(y)
    tx, ty = c["trans_x"] and x_type.ndim > 1, c["trans_y"] and y_type.ndim > 1
    # Vectors become the row or the column that they stand for; from here all are matrices.
    x = reshape_to(F, x, (1, *x_type.shape)) if x_type.ndim == 1 else x
    y = reshape_to(F, y, (*y_type.shape, 1)) if y_type.ndim == 1 else y
    g = _with_vector_axes(F, g, x_type.ndim == 1, y_type.ndim == 1)
    dx = dy = None
    if c.needs[0]:
        dx = _product(F, y, g, ty, True) if tx else _product(F, g, y, False, not ty)
        dx = reshape_to(F, unbroadcast(F, dx, x), x_type.shape)
    if c.needs[1]:
        dy = reshape_to(F, _grad_y(F, x, y, g, tx, ty), y_type.shape)
    return dx, dy


def _with_vector_axes(F: Emitter, g: Any, x_is_vector: bool, y_is_vector: bool) -> Any:
    shape = F.type_of(g).shape
    if y_is_vector:
        shape = (*shape, 1)
    if x_is_vector:
        shape = (*shape[:-1], 1, shape[-1])
    return reshape_to(F, g, shape)


def _product(F: Emitter, a: Any, b: Any, trans_a: bool, trans_b: bool) -> Any:
    return F.matmul_v2(a, b, trans_x=trans_a, trans_y=trans_b)


def _grad_y(F: Emitter, x: Any, y: Any, g: Any, tx: bool, ty: bool) -> Any:
    x_shape = F.type_of(x).shape
    if not tx and len(x_shape) > 2 and F.type_of(y).ndim == 2:
        # One matrix against a stack: one long product instead of a stack that is summed.
        rows = product(x_shape[:-1])
        x = reshape_to(F, x, (rows, x_shape[-1]))
        g = reshape_to(F, g, (rows, F.type_of(g).shape[-1]))
    dy = _product(F, g, x, True, tx) if ty else _product(F, x, g, not tx, False)
    return unbroadcast(F, dy, y)


matmul_v2 = op(
    "matmul_v2", "X Y",
    attrs={"trans_x": False, "trans_y": False},
    infer=_matmul_infer,
    reference=_matmul,
    grad=_matmul_grad,
    samples=[
        sample(f32(3, 4), f32(4, 5)),
        sample(f32(4, 3), f32(4, 5), trans_x=True),
        sample(f32(3, 4), f32(5, 4), trans_y=True),
        sample(f32(4, 3), f32(5, 4), trans_x=True, trans_y=True),
        sample(f32(4), f32(4)),
        sample(f32(4), f32(4, 3)),
        sample(f32(2, 3, 4), f32(4)),
        sample(f32(2, 3, 4), f32(4, 5)),
        sample(f32(2, 1, 3, 4), f32(5, 4, 2)),
        sample(f32(2, 4, 3), f32(2, 5, 4), trans_x=True, trans_y=True),
        sample(f64(17, 33), f64(33, 19)),
        sample(f32(0, 4), f32(4, 3)),
        sample(f32(3, 0), f32(0, 2)),
        sample(i64(3, 4), i64(4, 2), grad=False),  # integers have no gradient
        sample(lit([[np.nan, 1], [0, np.inf]]), lit([[1.0, 0], [0, 1]]), grad=False),  # not finite
    ],
)  # fmt: skip


def _mul_shape(x: TensorType, y: TensorType, x_cols: int, y_cols: int) -> Shape:
    for slot, t, cols in (("X", x, x_cols), ("Y", y, y_cols)):
        if not 0 < cols < t.ndim:
            fail(f"needs {slot.lower()}_num_col_dims in [1, {t.ndim - 1}], got {cols}"
                 f" for {slot} = {show(t.shape)}")  # fmt: skip
    require(
        product(x.shape[x_cols:]), "==", product(y.shape[:y_cols]),
        f"needs matrices whose inner sizes agree (matmul), got X {show(x.shape)} flattened at "
        f"{x_cols} and Y {show(y.shape)} flattened at {y_cols}",
    )  # fmt: skip
    return (*x.shape[:x_cols], *y.shape[y_cols:])


def _mul_infer(x: TensorType, y: TensorType, *, x_num_col_dims: int, y_num_col_dims: int) -> Any:
    _need_numbers(x, y)
    return TensorType(_mul_shape(x, y, x_num_col_dims, y_num_col_dims), x.dtype)


def _mul(x: Array, y: Array, *, x_num_col_dims: int, y_num_col_dims: int) -> Array:
    shape = x.shape[:x_num_col_dims] + y.shape[y_num_col_dims:]
    inner = int(np.prod(y.shape[:y_num_col_dims]))
    a = x.reshape(int(np.prod(x.shape[:x_num_col_dims])), inner)
    b = y.reshape(inner, int(np.prod(y.shape[y_num_col_dims:])))
    return _matmul(a, b, trans_x=False, trans_y=False).reshape(shape)


def _mul_expand(F: Emitter, x: Any, y: Any, *, x_num_col_dims: int, y_num_col_dims: int) -> Any:
    xs, ys = F.type_of(x).shape, F.type_of(y).shape
    out = (*xs[:x_num_col_dims], *ys[y_num_col_dims:])
    return reshape_to(
        F, F.matmul_v2(_flat(F, x, x_num_col_dims), _flat(F, y, y_num_col_dims)), out
    )  # fmt: skip


def _flat(F: Emitter, x: Any, cols: int) -> Any:
    """x as a matrix whose rows are the first `cols` axes."""
    shape = F.type_of(x).shape
    return reshape_to(F, x, (product(shape[:cols]), product(shape[cols:])))


def _mul_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    x, y = _flat(F, c.x, c["x_num_col_dims"]), _flat(F, c.y, c["y_num_col_dims"])
    g = reshape_to(F, c.g, (F.type_of(x).shape[0], F.type_of(y).shape[1]))
    dx = reshape_to(F, _product(F, g, y, False, True), F.type_of(c.x).shape) if c.needs[0] else None
    dy = reshape_to(F, _product(F, x, g, True, False), F.type_of(c.y).shape) if c.needs[1] else None
    return dx, dy


mul = op(
    "mul", "X Y",
    attrs={"x_num_col_dims": 1, "y_num_col_dims": 1},
    infer=_mul_infer,
    reference=_mul,
    expand=_mul_expand,
    grad=_mul_grad,
    samples=[
        sample(f32(3, 4), f32(4, 5)),
        sample(f32(2, 3, 4), f32(4, 5), x_num_col_dims=2),
        sample(f32(2, 3, 4), f32(12, 5)),
        sample(f32(2, 6), f32(2, 3, 4), y_num_col_dims=2),
        sample(f32(0, 4), f32(4, 5)),
    ],
)  # fmt: skip


def _bmm_infer(x: TensorType, y: TensorType) -> TensorType:
    need_rank(x, [3], "X")
    need_rank(y, [3], "Y")
    got = f"got X {show(x.shape)} and Y {show(y.shape)}"
    require(x.shape[0], "==", y.shape[0], f"needs equal batch sizes (matmul), {got}")
    return _matmul_infer(x, y, trans_x=False, trans_y=False)


bmm = op(
    "bmm", "X Y",
    infer=_bmm_infer,
    reference=lambda x, y: _matmul(x, y, trans_x=False, trans_y=False),
    expand=lambda F, x, y: F.matmul_v2(x, y),
    grad=lambda F, c: (
        _product(F, c.g, c.y, False, True) if c.needs[0] else None,
        _product(F, c.x, c.g, True, False) if c.needs[1] else None,
    ),
    samples=[sample(f32(2, 3, 4), f32(2, 4, 5)), sample(f32(0, 3, 4), f32(0, 4, 5))],
)  # fmt: skip


def _dot_infer(x: TensorType, y: TensorType) -> TensorType:
    _need_numbers(x, y)
    need_rank(x, [1, 2], "X")
    need_rank(y, [x.ndim], "Y")
    for a, b in zip(x.shape, y.shape, strict=True):
        require(a, "==", b, f"needs equal shapes, got X {show(x.shape)} and Y {show(y.shape)}")
    return TensorType(x.shape[:-1], x.dtype)


def _dot_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    g = reshape_to(F, c.g, (*F.type_of(c.g).shape, 1))
    return (
        F.elementwise_mul(c.y, g) if c.needs[0] else None,
        F.elementwise_mul(c.x, g) if c.needs[1] else None,
    )


dot = op(
    "dot", "X Y",
    infer=_dot_infer,
    reference=lambda x, y: np.asarray(np.sum(x * y, axis=-1), x.dtype),
    expand=lambda F, x, y: F.reduce_sum(F.elementwise_mul(x, y), dim=[-1], keep_dim=False),
    grad=_dot_grad,
    samples=[sample(f32(4), f32(4)), sample(f32(3, 4), f32(3, 4)), sample(f32(0), f32(0))],
)  # fmt: skip


def _mv_infer(x: TensorType, vec: TensorType) -> TensorType:
    need_rank(x, [2], "X")
    need_rank(vec, [1], "Vec")
    return _matmul_infer(x, vec, trans_x=False, trans_y=False)


def _mv_grad(F: Emitter, c: GradContext) -> tuple[Any, Any]:
    column = reshape_to(F, c.g, (*F.type_of(c.g).shape, 1))
    return (
        F.elementwise_mul(column, c.y) if c.needs[0] else None,
        F.matmul_v2(c.x, c.g, trans_x=True) if c.needs[1] else None,
    )


mv = op(
    "mv", "X Vec",
    infer=_mv_infer,
    reference=lambda x, vec: _matmul(x, vec, trans_x=False, trans_y=False),
    expand=lambda F, x, vec: F.matmul_v2(x, vec),
    grad=_mv_grad,
    samples=[sample(f32(3, 4), f32(4)), sample(f32(0, 4), f32(4))],
)  # fmt: skip


def _addmm_infer(input: TensorType, x: TensorType, y: TensorType, **_: float) -> TensorType:
    need_rank(x, [2], "X")
    need_rank(y, [2], "Y")
    same_dtype(input, x, "Input and X")
    out = _matmul_infer(x, y, trans_x=False, trans_y=False)
    message = (
        f"needs an Input that broadcasts to {show(out.shape)}, got Input = {show(input.shape)}"
    )
    if not 1 <= input.ndim <= 2:
        fail(message)
    for a, b in zip(input.shape[::-1], out.shape[::-1], strict=False):
        require(a, "1 or ==", b, message)
    return out


def _addmm_expand(F: Emitter, input: Any, x: Any, y: Any, *, Alpha: float, Beta: float) -> Any:
    product_ = affine(F, F.matmul_v2(x, y), scale=Alpha)
    return F.elementwise_add(affine(F, input, scale=Beta), product_)


def _addmm_grad(F: Emitter, c: GradContext) -> tuple[Any, Any, Any]:
    input, x, y = c.inputs
    scaled = affine(F, c.g, scale=c["Alpha"])
    return (
        unbroadcast(F, affine(F, c.g, scale=c["Beta"]), input) if c.needs[0] else None,
        _product(F, scaled, y, False, True) if c.needs[1] else None,
        _product(F, x, scaled, True, False) if c.needs[2] else None,
    )


def _addmm(input: Array, x: Array, y: Array, *, Alpha: float, Beta: float) -> Array:
    out = _matmul(x, y, trans_x=False, trans_y=False)
    return np.asarray(input * input.dtype.type(Beta) + out * x.dtype.type(Alpha), x.dtype)


addmm = op(
    "addmm", "Input X Y",
    attrs={"Alpha": 1.0, "Beta": 1.0},
    infer=_addmm_infer,
    reference=_addmm,
    expand=_addmm_expand,
    grad=_addmm_grad,
    samples=[
        sample(f32(3, 5), f32(3, 4), f32(4, 5), Alpha=0.5, Beta=2.0),
        sample(f32(5), f32(3, 4), f32(4, 5)),
        sample(f32(1, 5), f32(0, 4), f32(4, 5)),
    ],
)  # fmt: skip
