"""Products of matrices and vectors, norms, and what is composed of them."""

from __future__ import annotations

from typing import Any

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import need_tensor, promote_floats


def matmul(
    x: Tensor,
    y: Tensor,
    transpose_x: bool = False,
    transpose_y: bool = False,
    name: str | None = None,
) -> Tensor:
    """The matrix product over the last two axes; leading axes broadcast, 1-d operands are vectors.

    x: [..., M, K], y: [..., K, N], of one float dtype (or two: the wider). Returns [..., M, N].
    Raises OpError where the two K differ.

    >>> import wherry as paddle
    >>> paddle.matmul(paddle.ones([2, 3]), paddle.ones([3, 4])).shape
    [2, 4]
    """
    need_tensor(x, "matmul"), need_tensor(y, "matmul", "y")
    x, y = promote_floats(x, y)
    out: Tensor = run_op("matmul_v2", x, y, trans_x=transpose_x, trans_y=transpose_y)
    return out


def mm(input: Tensor, mat2: Tensor, name: str | None = None) -> Tensor:
    """matmul of two matrices.

    >>> import wherry as paddle
    >>> paddle.mm(paddle.ones([2, 3]), paddle.ones([3, 1])).tolist()
    [[3.0], [3.0]]
    """
    return matmul(input, mat2)


def bmm(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The product of each pair of matrices: x [B, M, K], y [B, K, N], returns [B, M, N].

    >>> import wherry as paddle
    >>> paddle.bmm(paddle.ones([2, 1, 3]), paddle.ones([2, 3, 1])).tolist()
    [[[3.0]], [[3.0]]]
    """
    out: Tensor = run_op("bmm", *promote_floats(x, y))
    return out


def mv(x: Tensor, vec: Tensor, name: str | None = None) -> Tensor:
    """A matrix [M, N] times a vector [N], returns [M].

    >>> import wherry as paddle
    >>> paddle.mv(paddle.ones([2, 3]), paddle.ones([3])).tolist()
    [3.0, 3.0]
    """
    out: Tensor = run_op("mv", *promote_floats(x, vec))
    return out


def dot(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The sum of x * y over the last axis; both 1-d or both 2-d, of one shape.

    >>> import wherry as paddle
    >>> float(paddle.dot(paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([3.0, 4.0])))
    11.0
    """
    out: Tensor = run_op("dot", *promote_floats(x, y))
    return out


def inner(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The sum over both last axes: [..., K] and [...', K] give [..., ...'].

    >>> import wherry as paddle
    >>> paddle.inner(paddle.ones([2, 3]), paddle.ones([4, 3])).shape
    [2, 4]
    """
    if not x.ndim or not y.ndim:
        return x * y
    left = run_op("reshape2", x, shape=[-1, x.shape[-1]])
    right = run_op("reshape2", y, shape=[-1, y.shape[-1]])
    out: Tensor = run_op(
        "reshape2", matmul(left, right, transpose_y=True), shape=[*x.shape[:-1], *y.shape[:-1]]
    )
    return out


def outer(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Each element of x times each of y: sizes [x.size, y.size].

    >>> import wherry as paddle
    >>> paddle.outer(paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    column, row = run_op("reshape2", x, shape=[-1, 1]), run_op("reshape2", y, shape=[1, -1])
    return column * row  # type: ignore[no-any-return]


def addmm(
    input: Tensor,
    x: Tensor,
    y: Tensor,
    beta: float = 1.0,
    alpha: float = 1.0,
    name: str | None = None,
) -> Tensor:
    """beta * input + alpha * (x @ y); input broadcasts to [M, N].

    >>> import wherry as paddle
    >>> paddle.addmm(paddle.ones([1, 1]), paddle.ones([1, 2]), paddle.ones([2, 1])).tolist()
    [[3.0]]
    """
    out: Tensor = run_op("addmm", input, x, y, Alpha=float(alpha), Beta=float(beta))
    return out


def t(input: Tensor, name: str | None = None) -> Tensor:
    """The transposed matrix; a vector or a 0-d Tensor as it is. More than 2 dims raise ValueError.

    >>> import wherry as paddle
    >>> paddle.t(paddle.ones([2, 3])).shape
    [3, 2]
    """
    if input.ndim > 2:
        raise ValueError(
            f"Input(input) only support N-D (N<=2) tensor, but received length of Input(input) is "
            f"{input.ndim}. Perhaps you can use paddle.tensor.transpose() instead."
        )
    out: Tensor = (
        run_op("transpose2", input, axis=[1, 0]) if input.ndim == 2 else run_op("assign", input)
    )
    return out


def norm(
    x: Tensor, p: Any = "fro", axis: Any = None, keepdim: bool = False, name: str | None = None
) -> Tensor:
    """The p-norm over one axis, over several taken together, or over all (axis None).

    p: "fro" (the square root of the sum of squares), a number, or +-inf. The gradient of the 2-norm
    at 0 is 0.

    >>> import wherry as paddle
    >>> float(paddle.norm(paddle.to_tensor([3.0, 4.0])))
    5.0
    """
    order = 2.0 if p == "fro" else float(p)
    axes = [] if axis is None else list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if len(axes) == 1:
        out: Tensor = run_op("p_norm", x, porder=order, axis=axes[0], keepdim=keepdim)
        return out
    return _norm_of_several(x, order, [a % x.ndim for a in axes] or list(range(x.ndim)), keepdim)


def _norm_of_several(x: Tensor, order: float, axes: list[int], keepdim: bool) -> Tensor:
    kept = [i for i in range(x.ndim) if i not in axes]
    moved = run_op("transpose2", x, axis=kept + axes) if kept else x
    flat = run_op("reshape2", moved, shape=[x.shape[i] for i in kept] + [-1])
    out: Tensor = run_op("p_norm", flat, porder=order, axis=-1, keepdim=False)
    if keepdim:
        out = run_op("reshape2", out, shape=[1 if i in axes else x.shape[i] for i in range(x.ndim)])
    return out


def dist(x: Tensor, y: Tensor, p: float = 2, name: str | None = None) -> Tensor:
    """The p-norm of x - y, which broadcast; 0-d.

    >>> import wherry as paddle
    >>> float(paddle.dist(paddle.to_tensor([3.0, 4.0]), paddle.zeros([2])))
    5.0
    """
    return norm(x - y, p)


def trace(
    x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1, name: str | None = None
) -> Tensor:
    """The sum of a diagonal.

    >>> import wherry as paddle
    >>> float(paddle.trace(paddle.eye(3)))
    3.0
    """
    from .shape import diagonal

    out: Tensor = run_op("reduce_sum", diagonal(x, offset, axis1, axis2), dim=[-1])
    return out


def tensordot(x: Tensor, y: Tensor, axes: Any = 2, name: str | None = None) -> Tensor:
    """The sum of products over pairs of axes: an int (the last of x, the first of y), or two lists.

    >>> import wherry as paddle
    >>> paddle.tensordot(paddle.ones([2, 3]), paddle.ones([3, 4]), axes=1).shape
    [2, 4]
    """
    if isinstance(axes, int):
        left, right = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    else:
        left, right = ([a] if isinstance(a, int) else list(a) for a in (axes[0], axes[-1]))
    left, right = [a % x.ndim for a in left], [a % y.ndim for a in right]
    free_x = [i for i in range(x.ndim) if i not in left]
    free_y = [i for i in range(y.ndim) if i not in right]
    rows = run_op("transpose2", x, axis=free_x + left)
    columns = run_op("transpose2", y, axis=right + free_y)
    summed = 1
    for a in left:
        summed *= x.shape[a]
    matrix = matmul(
        run_op("reshape2", rows, shape=[-1, summed]),
        run_op("reshape2", columns, shape=[summed, -1]),
    )
    sizes = [x.shape[i] for i in free_x] + [y.shape[i] for i in free_y]
    out: Tensor = run_op("reshape2", matrix, shape=sizes)
    return out
