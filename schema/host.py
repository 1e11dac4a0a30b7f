"""What compiled code lets its caller compute, with numpy: dense linear algebra, and the like.

    HOST["inverse"](matrices) -> (inverses,)

A function takes arrays, and the op's attributes by name, and gives a tuple of arrays. It is what
the op means, too. Raises RunError for data that it has no answer for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import numpy as np

from .ctc import ctc_loss
from .errors import RunError

Array = np.ndarray[Any, Any]
HostFunction = Callable[..., tuple[Array, ...]]


@contextmanager
def _complaining(says: str) -> Iterator[None]:
    """LAPACK's complaint becomes a RunError that says this."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise RunError(f"{says} ({error})") from error


def _checked(function: Callable[..., Array], says: str) -> HostFunction:
    """The function, with one result."""

    def call(*arrays: Array) -> tuple[Array]:
        with _complaining(says):
            return (np.asarray(function(*arrays), arrays[0].dtype),)

    return call


def _cholesky(x: Array, upper: bool) -> tuple[Array]:
    """L of x = L L^T, from the triangle of x that has its name; upper gives L^T."""
    lower = np.swapaxes(x, -1, -2) if upper else x
    find = _checked(np.linalg.cholesky, "needs positive definite matrices")
    (found,) = find(lower)
    return (np.swapaxes(found, -1, -2) if upper else found,)


def _slogdet(x: Array) -> tuple[Array]:
    sign, logarithm = np.linalg.slogdet(x)
    return (np.stack([sign, logarithm]).astype(x.dtype),)


def _qr(x: Array, mode: str) -> tuple[Array, Array]:
    q, r = np.linalg.qr(x, "complete" if mode == "complete" else "reduced")
    return q, r


def _svd(x: Array, full_matrices: bool) -> tuple[Array, ...]:
    with _complaining("the singular values did not converge"):
        return tuple(np.linalg.svd(x, full_matrices))


def _eigh(x: Array, UPLO: Literal["L", "U"]) -> tuple[Array, ...]:
    with _complaining("the eigenvalues did not converge"):
        return tuple(np.linalg.eigh(x, UPLO))


def _lu(x: Array) -> tuple[Array, Array, Array]:
    """Gauss' elimination with the largest element of the column on top, as LAPACK's getrf.

    Pivots count from 1; the info is 0, or the place of the first pivot that is 0.
    """
    steps, batch = min(x.shape[-2:]), x.shape[:-2]
    packed = np.array(x).reshape(int(np.prod(batch)), *x.shape[-2:])
    pivots = np.empty((len(packed), steps), np.int32)
    infos = np.zeros(len(packed), np.int32)
    for matrix, rows, at in zip(packed, pivots, range(len(packed)), strict=True):
        for k in range(steps):
            best = k + int(np.argmax(np.abs(matrix[k:, k])))
            rows[k] = best + 1
            matrix[[k, best]] = matrix[[best, k]]
            if matrix[k, k] != 0:
                matrix[k + 1 :, k] /= matrix[k, k]
            elif not infos[at]:
                infos[at] = k + 1
            matrix[k + 1 :, k + 1 :] -= np.outer(matrix[k + 1 :, k], matrix[k, k + 1 :])
    return packed.reshape(x.shape), pivots.reshape(*batch, steps), infos.reshape(batch)


HOST: Final[dict[str, HostFunction]] = {
    "inverse": _checked(np.linalg.inv, "needs matrices that have an inverse"),
    "determinant": _checked(np.linalg.det, "needs square matrices"),
    "slogdeterminant": _slogdet,
    "solve": _checked(np.linalg.solve, "needs matrices that have an inverse"),
    "cholesky": _cholesky,
    "qr": _qr,
    "svd": _svd,
    "eigh": _eigh,
    "lu": _lu,
    "gcd": lambda x, y: (np.asarray(np.gcd(x, y)),),
    "lcm": lambda x, y: (np.asarray(np.lcm(x, y)),),
    "warpctc": ctc_loss,
}
