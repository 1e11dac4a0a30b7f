"""Factors of matrices: qr, svd, eigh, lu. See `linalg` for how they are computed."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import int32

from ..dims import Dim, dim_min
from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, require
from ..opdef import f32, f64, lit, op, sample
from .build import Term
from .grads import reshape_to, zeros_like
from .linalg import (
    DEFINITE,
    MATRIX,
    STACK,
    host,
    matrices,
    multiplied,
    square,
    symmetric,
    turned,
)

_SYMMETRIC = [[[1.0, 2.0, 0.0], [2.0, -3.0, 1.0], [0.0, 1.0, 5.0]], DEFINITE]


def _shorter(x: TensorType) -> Dim:
    return dim_min(x.shape[-2], x.shape[-1])


def _qr_infer(x: TensorType, *, mode: str) -> tuple[TensorType, TensorType]:
    if mode not in ("reduced", "complete"):
        fail(f"needs mode to be 'reduced' or 'complete', got {mode!r}")
    *batch, rows, columns = matrices(x).shape
    inner = rows if mode == "complete" else _shorter(x)
    return (
        TensorType((*batch, rows, inner), x.dtype), TensorType((*batch, inner, columns), x.dtype),
    )  # fmt: skip


def _grad_or_zeros(F: Emitter, c: GradContext, slot: int) -> Any:
    return zeros_like(F, c.outputs[slot]) if c.grads[slot] is None else c.grads[slot]


def _qr_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    q, r = c.outputs
    rows, columns = F.type_of(c.x).shape[-2:]
    require(columns, "<=", rows, "needs as many rows as columns, or more, for a gradient of qr")
    if c["mode"] == "complete":
        require(rows, "==", columns, "needs mode='reduced' for a gradient of qr")
    g_q, g_r = (_grad_or_zeros(F, c, slot) for slot in (0, 1))
    m = F.elementwise_sub(F.matmul_v2(r, g_r, trans_y=True), F.matmul_v2(g_q, q, trans_x=True))
    mirrored = F.elementwise_add(F.tril_triu(m), turned(F, F.tril_triu(m, diagonal=-1)))
    left = F.elementwise_add(g_q, F.matmul_v2(q, mirrored))
    return (turned(F, F.solve(r, turned(F, left))),)


op(
    "qr", "X", "Q R", attrs={"mode": "reduced"},
    infer=_qr_infer,
    reference=lambda x, mode: host("qr", x, mode=mode),
    grad=_qr_grad,
    samples=[
        sample(lit(MATRIX)), sample(lit([row[:2] for row in MATRIX], "float64")),
        sample(f32(2, 3, 4), grad=False),  # wide: no gradient
        sample(f32(4, 2), mode="complete", grad=False),  # nor for further columns of q
    ],
)  # fmt: skip


def _svd_infer(x: TensorType, *, full_matrices: bool) -> tuple[TensorType, ...]:
    *batch, rows, columns = matrices(x).shape
    count = _shorter(x)
    left, right = (rows, columns) if full_matrices else (count, count)
    shapes = (rows, left), (count,), (right, columns)
    return tuple(TensorType((*batch, *shape), x.dtype) for shape in shapes)


def _as_diagonals(F: Emitter, values: Any, columns: bool) -> Term:
    """One number for each column (or row) of matrices."""
    shape = F.type_of(values).shape
    new = (*shape[:-1], 1, shape[-1]) if columns else (*shape, 1)
    return Term(F, reshape_to(F, values, new))


def _reciprocal_gaps(F: Emitter, values: Any) -> Term:
    """1 / (v_j - v_i) at row i and column j; 0 on the diagonal."""
    size = F.type_of(values).shape[-1]
    one = Term(F, F.eye(num_rows=size, num_columns=size, dtype=F.type_of(values).dtype))
    gaps = _as_diagonals(F, values, True) - _as_diagonals(F, values, False)
    others: Term = 1.0 - one
    return others / (gaps + one)


def _eye_minus(F: Emitter, x: Any) -> Any:
    size = F.type_of(x).shape[-1]
    return F.elementwise_sub(F.eye(num_rows=size, num_columns=size, dtype=F.type_of(x).dtype), x)


def _skew(F: Emitter, x: Any) -> Term:
    return Term(F, F.elementwise_sub(x, turned(F, x)))


def _svd_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    """Townsend, Differentiating the singular value decomposition (2016)."""
    u, s, vh = c.outputs
    g_u, g_s, g_vh = c.grads
    if c["full_matrices"] and not (g_u is None and g_vh is None):
        fail("needs full_matrices=False for a gradient of the vectors of svd")
    count = F.type_of(s).shape[-1]
    thin_u, thin_vh = u, vh
    if c["full_matrices"]:
        last = F.type_of(u).ndim
        thin_u = F.slice(u, axes=[last - 1], starts=[0], ends=[count])
        thin_vh = F.slice(vh, axes=[last - 2], starts=[0], ends=[count])
    rows, columns = _as_diagonals(F, s, False), _as_diagonals(F, s, True)
    zero = zeros_like(F, s)
    inner = Term(F, F.eye(num_rows=count, num_columns=count, dtype=F.type_of(s).dtype))
    inner = inner * _as_diagonals(F, zero if g_s is None else g_s, True)
    gaps = _reciprocal_gaps(F, F.square(s))
    if g_u is not None:
        inner = inner + gaps * _skew(F, F.matmul_v2(u, g_u, trans_x=True)) * columns
    if g_vh is not None:
        inner = inner + rows * gaps * _skew(F, F.matmul_v2(vh, g_vh, trans_y=True))
    found = Term(F, multiplied(F, thin_u, inner.value, thin_vh))
    if g_u is not None:
        outside = _eye_minus(F, F.matmul_v2(u, u, trans_y=True))
        scaled = (Term(F, g_u) / columns).value
        found = found + Term(F, multiplied(F, outside, scaled, vh))
    if g_vh is not None:
        outside = _eye_minus(F, F.matmul_v2(vh, vh, trans_x=True))
        scaled = (Term(F, g_vh) / rows).value
        found = found + Term(F, multiplied(F, u, scaled, outside))
    return (found.value,)


_WIDE = [[3.0, 1.0, 0.5, -1.0], [0.5, -2.0, 1.0, 0.0]]

op(
    "svd", "X", "U S VH", attrs={"full_matrices": False},
    infer=_svd_infer,
    reference=lambda x, full_matrices: host("svd", x, full_matrices=full_matrices),
    grad=_svd_grad,
    samples=[
        sample(lit(MATRIX)), sample(lit(_WIDE, "float64")), sample(lit(STACK, "float64")),
        sample(lit(_WIDE), full_matrices=True, grad=False),  # no gradient of all vectors
    ],
)  # fmt: skip


def _eigh_infer(x: TensorType, *, UPLO: str) -> tuple[TensorType, TensorType]:
    if UPLO not in ("L", "U"):
        fail(f"needs UPLO to be 'L' or 'U', got {UPLO!r}")
    return TensorType(square(x).shape[:-1], x.dtype), x


def _eigh_grad(F: Emitter, c: GradContext) -> tuple[Any]:
    values, vectors = c.outputs
    g_values, g_vectors = c.grads
    size = F.type_of(values).shape[-1]
    eye = Term(F, F.eye(num_rows=size, num_columns=size, dtype=F.type_of(values).dtype))
    zero = zeros_like(F, values)
    inner = eye * _as_diagonals(F, zero if g_values is None else g_values, True)
    if g_vectors is not None:
        turns = Term(F, F.matmul_v2(vectors, g_vectors, trans_x=True))
        inner = inner + turns * _reciprocal_gaps(F, values)
    return (symmetric(F, multiplied(F, vectors, inner.value, turned(F, vectors))),)


op(
    # The gradient is that of symmetric matrices: differences of one element show another one.
    "eigh", "X", "Eigenvalues Eigenvectors", attrs={"UPLO": "L"},
    infer=_eigh_infer,
    reference=lambda x, UPLO: host("eigh", x, UPLO=UPLO),
    grad=_eigh_grad,
    samples=[
        sample(lit(_SYMMETRIC), grad=False),
        sample(lit(DEFINITE, "float64"), UPLO="U", grad=False),
        sample(f32(0, 0), grad=False),
    ],
)  # fmt: skip


def _lu_infer(x: TensorType) -> tuple[TensorType, ...]:
    *batch, _, _ = matrices(x).shape
    return x, TensorType((*batch, _shorter(x)), int32), TensorType(tuple(batch), int32)


op(
    "lu", "X", "Out Pivots Infos",
    infer=_lu_infer,
    reference=lambda x: host("lu", x),
    samples=[sample(lit(STACK)), sample(f64(4, 2)), sample(f32(2, 3)), sample(f32(0, 2))],
)  # fmt: skip
