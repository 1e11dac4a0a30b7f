"""Comparisons, logic and tests of numbers. The results are bool Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import need_tensor, reject_out, second_operand

_DOC = """{text}

    x, y: Tensors whose shapes broadcast, of one dtype (or two float dtypes). Returns {returns}.

    >>> import wherry as paddle
    >>> paddle.{name}({given}).tolist()
    {example}
    """


def _comparison(name: str, text: str, example: str) -> Callable[..., Tensor]:
    def function(x: Tensor, y: Any, name: str | None = None) -> Tensor:
        x, y = second_operand(x, y)
        result: Tensor = run_op(function.__name__, x, y)
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        name=name, text=text, given=_PAIR, example=example, returns="bools"
    )
    return function


def _bits(name: str, text: str, given: str, example: str,
          returns: str = "bools") -> Callable[..., Tensor]:  # fmt: skip
    def function(x: Tensor, y: Any, out: Any = None, name: str | None = None) -> Tensor:
        reject_out(out, function.__name__)
        return run_op(function.__name__, *second_operand(x, y))  # type: ignore[no-any-return]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        name=name, text=text, given=given, example=example, returns=returns
    )
    return function


_PAIR = "paddle.to_tensor([1, 2, 3]), paddle.to_tensor([2, 2, 2])"
_BOOLS = "paddle.to_tensor([True, True, False]), paddle.to_tensor([True, False, False])"

equal = _comparison("equal", "x == y.", "[False, True, False]")
not_equal = _comparison("not_equal", "x != y.", "[True, False, True]")
less_than = _comparison("less_than", "x < y.", "[True, False, False]")
less_equal = _comparison("less_equal", "x <= y.", "[True, True, False]")
greater_than = _comparison("greater_than", "x > y.", "[False, False, True]")
greater_equal = _comparison("greater_equal", "x >= y.", "[False, True, True]")
logical_and = _bits("logical_and", "True where both are not 0.", _BOOLS, "[True, False, False]")
logical_or = _bits("logical_or", "True where one is not 0.", _BOOLS, "[True, True, False]")
logical_xor = _bits(
    "logical_xor", "True where exactly one is not 0.", _BOOLS, "[False, True, False]"
)
bitwise_and = _bits("bitwise_and", "The bits of both.", _PAIR, "[0, 2, 2]", "their dtype")
bitwise_or = _bits("bitwise_or", "The bits of either.", _PAIR, "[3, 2, 3]", "their dtype")
bitwise_xor = _bits("bitwise_xor", "The bits of one of them.", _PAIR, "[3, 0, 1]", "their dtype")


def _unary(name: str, text: str, given: str, example: str, op_type: str) -> Callable[..., Tensor]:
    def function(x: Tensor, out: Any = None, name: str | None = None) -> Tensor:
        reject_out(out, function.__name__)
        result: Tensor = run_op(op_type, need_tensor(x, function.__name__))
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}

    >>> import wherry as paddle
    >>> paddle.{name}(paddle.to_tensor({given})).tolist()
    {example}
    """
    return function


logical_not = _unary(
    "logical_not", "True where x is 0.", "[True, False]", "[False, True]", "logical_not"
)
bitwise_not = _unary("bitwise_not", "All bits inverted.", "[0, 5]", "[-1, -6]", "bitwise_not")
isnan = _unary("isnan", "True for NaN.", "[1.0, float('nan')]", "[False, True]", "isnan_v2")
isinf = _unary(
    "isinf", "True for inf and -inf.", "[1.0, float('inf')]", "[False, True]", "isinf_v2"
)
isfinite = _unary("isfinite", "True for neither NaN nor inf.", "[1.0, float('inf')]",
"[True, False]",
                  "isfinite_v2")  # fmt: skip


def equal_all(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """A 0-d bool: same shape and all elements equal.

    >>> import wherry as paddle
    >>> bool(paddle.equal_all(paddle.ones([2]), paddle.ones([2])))
    True
    """
    from .creation import full

    if list(x.shape) != list(y.shape):
        return full([], False, "bool")
    out: Tensor = run_op("reduce_all", equal(x, y), reduce_all=True)
    return out


def isclose(
    x: Tensor, y: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """True where |x - y| <= atol + rtol * |y|; equal infinities are close, NaN only if `equal_nan`.

    >>> import wherry as paddle
    >>> paddle.isclose(paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([1.0, 2.1])).tolist()
    [True, False]
    """
    x, y = second_operand(x, y)
    near = abs(x - y) <= abs(y) * rtol + atol
    close = logical_or(equal(x, y), logical_and(near, logical_and(isfinite(x), isfinite(y))))
    if equal_nan:
        close = logical_or(close, logical_and(isnan(x), isnan(y)))
    return close


def allclose(
    x: Tensor, y: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A 0-d bool: all elements are close (see `isclose`).

    >>> import wherry as paddle
    >>> bool(paddle.allclose(paddle.ones([2]), paddle.ones([2])))
    True
    """
    out: Tensor = run_op("reduce_all", isclose(x, y, rtol, atol, equal_nan), reduce_all=True)
    return out


def is_tensor(x: Any) -> bool:
    """True for a Tensor, traced ones included."""
    return isinstance(x, Tensor)


def is_floating_point(x: Tensor) -> bool:
    """True if x's dtype is a float."""
    return need_tensor(x, "is_floating_point").dtype.is_float


def is_integer(x: Tensor) -> bool:
    """True if x's dtype is an integer."""
    return need_tensor(x, "is_integer").dtype.is_integer


def is_complex(x: Tensor) -> bool:
    """False: wherry has no complex dtypes."""
    need_tensor(x, "is_complex")
    return False


def is_empty(x: Tensor, name: str | None = None) -> Tensor:
    """A 0-d bool: x has no elements.

    >>> import wherry as paddle
    >>> bool(paddle.is_empty(paddle.zeros([0])))
    True
    """
    from .creation import full

    return full([], x.size == 0, "bool")
