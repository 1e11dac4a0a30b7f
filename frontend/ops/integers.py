"""Functions of whole numbers: gcd, lcm, shard_index; and renorm."""

from __future__ import annotations

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import need_tensor, scalar, second_operand
from .linalg import norm


def gcd(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The greatest common divisors of integers, which broadcast; that of 0 and 0 is 0.

    >>> import wherry as paddle
    >>> paddle.gcd(paddle.to_tensor([12, 0]), paddle.to_tensor([18, 5])).tolist()
    [6, 5]
    """
    x, y = second_operand(need_tensor(x, "gcd"), y)
    return run_op("gcd", x, y)  # type: ignore[no-any-return]


def lcm(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The least common multiples of integers, which broadcast; 0 where one of them is.

    >>> import wherry as paddle
    >>> paddle.lcm(paddle.to_tensor([4, 0]), paddle.to_tensor([6, 5])).tolist()
    [12, 0]
    """
    x, y = second_operand(need_tensor(x, "lcm"), y)
    return run_op("lcm", x, y)  # type: ignore[no-any-return]


def shard_index(
    input: Tensor, index_num: int, nshards: int, shard_id: int, ignore_value: int = -1
) -> Tensor:
    """Indices below `index_num` as those in shard `shard_id` of `nshards`; others are ignored.

    >>> import wherry as paddle
    >>> paddle.shard_index(paddle.to_tensor([[16], [1]]), 20, 2, 0).tolist()
    [[-1], [1]]
    """
    need_tensor(input, "shard_index", "input")
    if not 0 <= shard_id < nshards:
        raise ValueError(f"The shard_id({shard_id}) should be in [0, {nshards})")
    size = scalar((index_num + nshards - 1) // nshards, input.dtype)
    own = run_op("elementwise_floordiv", input, size) == shard_id
    rest = run_op("elementwise_mod", input, size)
    return run_op("where", own, rest, scalar(ignore_value, input.dtype))  # type: ignore[no-any-return]


def renorm(x: Tensor, p: float, axis: int, max_norm: float, name: str | None = None) -> Tensor:
    """x, whose parts along an axis are scaled down to a p-norm of at most max_norm.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> paddle.renorm(x, 2.0, 0, 1.0).numpy().round(2).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.30000001192092896, 0.4000000059604645]]
    """
    need_tensor(x, "renorm")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"the axis should be in [{-x.ndim}, {x.ndim}), got {axis}")
    others = [i for i in range(x.ndim) if i != axis % x.ndim]
    lengths = norm(x, p, others, keepdim=True)
    one = scalar(1.0, x.dtype)
    factor = run_op("where", lengths > max_norm, max_norm / (lengths + 1e-7), one)
    return x * factor  # type: ignore[no-any-return]


__all__ = ["gcd", "lcm", "renorm", "shard_index"]
