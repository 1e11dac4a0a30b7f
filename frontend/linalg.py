"""`paddle.linalg`: the functions on matrices under this name."""

from .ops.linalg import matmul, norm
from .ops.matrices import (
    cholesky,
    cholesky_solve,
    det,
    eigh,
    eigvalsh,
    lu,
    lu_unpack,
    qr,
    slogdet,
    solve,
    svd,
    triangular_solve,
)
from .ops.matrices import inverse as inv
from .ops.matrix_functions import (
    cond,
    corrcoef,
    cov,
    lstsq,
    matrix_power,
    matrix_rank,
    multi_dot,
    pinv,
)

__all__ = [
    "cholesky", "cholesky_solve", "cond", "corrcoef", "cov", "det", "eigh", "eigvalsh", "inv",
    "lstsq", "lu", "lu_unpack", "matmul", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "qr", "slogdet", "solve", "svd", "triangular_solve",
]  # fmt: skip
