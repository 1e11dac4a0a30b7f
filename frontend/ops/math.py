"""Arithmetic and elementary functions, elementwise on Tensors that broadcast as in numpy.

Families are tables: a row gives the function its op and its sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wherry.schema.dtypes import as_dtype, float64, int64

from ..dispatch import layer_name, run_op, write
from ..tensor import Tensor
from .convert import (
    as_list,
    cast_to,
    int_to_float,
    is_bool,
    is_number,
    left_operands,
    need_tensor,
    scalar,
    second_operand,
)  # fmt: skip

_BINARY_DOC = """{text}

    x, y: Tensors of one dtype whose shapes broadcast (two float dtypes: the wider one; a Python
    number beside a Tensor is taken in its dtype). Returns the broadcast shape. Raises OpError for
    shapes that do not broadcast, OpTypeError for dtypes that differ.

    >>> import wherry as paddle
    >>> x, y = paddle.to_tensor([6.0, 8.0]), paddle.to_tensor([2.0, 4.0])
    >>> paddle.{name}(x, y).tolist()
    {example}
    """


def _binary(name: str, op_type: str, text: str, example: str) -> Callable[..., Tensor]:
    def function(x: Tensor, y: Any, name: str | None = None) -> Tensor:
        x, y = second_operand(x, y)
        out: Tensor = run_op(op_type, x, y)
        return out

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _BINARY_DOC.format(name=name, text=text, example=example)
    return function


add = _binary("add", "elementwise_add", "x + y.", "[8.0, 12.0]")
subtract = _binary("subtract", "elementwise_sub", "x - y.", "[4.0, 4.0]")
_multiply = _binary("multiply", "elementwise_mul", "x * y.", "[12.0, 32.0]")
maximum = _binary("maximum", "elementwise_max", "The larger one; NaN where one is.", "[6.0, 8.0]")
minimum = _binary("minimum", "elementwise_min", "The smaller one; NaN where one is.", "[2.0, 4.0]")
fmax = _binary("fmax", "elementwise_fmax", "The larger one, NaN ignored.", "[6.0, 8.0]")
fmin = _binary("fmin", "elementwise_fmin", "The smaller one, NaN ignored.", "[2.0, 4.0]")
heaviside = _binary("heaviside", "elementwise_heaviside", "0 for x < 0, 1 for x > 0, y for x == 0.",
                    "[1.0, 1.0]")  # fmt: skip
floor_divide = _binary(
    "floor_divide", "elementwise_floordiv", "x // y, rounded down.", "[3.0, 2.0]"
)
mod = _binary("mod", "elementwise_mod", "x % y, with the sign of y as in Python.", "[0.0, 0.0]")
remainder = floor_mod = mod


def multiply(x: Tensor, y: Any, name: str | None = None) -> Tensor:
    if is_bool(x) and is_bool(y):
        return run_op("logical_and", x, y)  # type: ignore[no-any-return]
    return _multiply(x, y)


multiply.__doc__ = _multiply.__doc__


def divide(x: Tensor, y: Any, name: str | None = None) -> Tensor:
    """x / y. Of two integer Tensors the quotient in their dtype, rounded to zero, as in Paddle.

    The operator `/` gives float32 for integers instead. Shapes and errors as for `add`.

    >>> import wherry as paddle
    >>> paddle.divide(paddle.to_tensor([7.0]), paddle.to_tensor([2.0])).tolist()
    [3.5]
    """
    x, y = second_operand(x, y)
    if (
        isinstance(x, Tensor)
        and not x.dtype.is_float
        and isinstance(y, Tensor)
        and x.dtype is y.dtype
    ):
        down = run_op("elementwise_floordiv", x, y)
        up = run_op("scale", run_op("elementwise_floordiv", neg(x), y), scale=-1)
        negative = run_op(
            "less_than", run_op("elementwise_mul", sign(x), sign(y)), scalar(0, x.dtype)
        )
        out: Tensor = run_op("where", negative, up, down)
        return out
    out = run_op("elementwise_div", x, y)
    return out


def atan2(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The angle of the point (y, x), in (-pi, pi]. Floats; integers become float64.

    >>> import wherry as paddle
    >>> float(paddle.atan2(paddle.to_tensor([0.0]), paddle.to_tensor([1.0])))
    0.0
    """
    x, y = second_operand(x, y)
    if isinstance(x, Tensor) and x.dtype.is_integer:
        x, y = cast_to(x, float64), cast_to(y, float64)
    out: Tensor = run_op("atan2", x, y)
    return out


def pow(x: Tensor, y: Any, name: str | None = None) -> Tensor:
    """x to the power y, a number or a Tensor of x's dtype. The result has x's dtype.

    >>> import wherry as paddle
    >>> paddle.pow(paddle.to_tensor([1.0, 2.0, 3.0]), 2).tolist()
    [1.0, 4.0, 9.0]
    """
    need_tensor(x, "pow")
    if is_number(y):
        out: Tensor = run_op("pow", x, factor=float(y))
        return out
    if not isinstance(y, Tensor):
        raise TypeError(
            f"y must be scalar, Tensor(in dygraph mode), Variable(in static graph mode), got "
            f"{type(y)}"
        )
    x, y = second_operand(x, y)
    out = run_op("elementwise_pow", x, y)
    return out


_UNARY_DOC = """{text}

    x: a Tensor of {dtypes}. Returns the same shape. Raises OpTypeError for other dtypes.

    >>> import wherry as paddle
    >>> paddle.{name}(paddle.to_tensor({given})).tolist()
    {example}
    """


def _unary(name: str, text: str, given: str, example: str, *, ints: str = "float",
           op_type: str | None = None) -> Callable[..., Tensor]:  # fmt: skip
    """A function of one op. `ints`: "float" casts integers to float32, "keep" computes in
    integers.
    """
    op_name = op_type or name

    def function(x: Tensor, name: str | None = None) -> Tensor:
        x = need_tensor(x, function.__name__)
        out: Tensor = run_op(op_name, int_to_float(x) if ints == "float" else x)
        return out

    dtypes = "floats, or integers, which become float32" if ints == "float" else "numbers"
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _UNARY_DOC.format(
        name=name, text=text, dtypes=dtypes, given=given, example=example
    )
    return function


exp = _unary("exp", "e to the power x.", "[0.0]", "[1.0]")
expm1 = _unary("expm1", "exp(x) - 1, exact near 0.", "[0.0]", "[0.0]")
log = _unary("log", "The natural logarithm.", "[1.0]", "[0.0]")
log2 = _unary("log2", "The logarithm to base 2.", "[8.0]", "[3.0]")
log10 = _unary("log10", "The logarithm to base 10.", "[1.0]", "[0.0]")
log1p = _unary("log1p", "log(1 + x), exact near 0.", "[0.0]", "[0.0]")
sqrt = _unary("sqrt", "The square root; NaN below 0.", "[4.0]", "[2.0]")
rsqrt = _unary("rsqrt", "1 / sqrt(x).", "[4.0]", "[0.5]")
sin = _unary("sin", "The sine.", "[0.0]", "[0.0]")
cos = _unary("cos", "The cosine.", "[0.0]", "[1.0]")
tan = _unary("tan", "The tangent.", "[0.0]", "[0.0]")
asin = _unary("asin", "The angle whose sine is x.", "[0.0]", "[0.0]")
acos = _unary("acos", "The angle whose cosine is x.", "[1.0]", "[0.0]")
atan = _unary("atan", "The angle whose tangent is x.", "[0.0]", "[0.0]")
sinh = _unary("sinh", "The hyperbolic sine.", "[0.0]", "[0.0]")
cosh = _unary("cosh", "The hyperbolic cosine.", "[0.0]", "[1.0]")
tanh = _unary("tanh", "The hyperbolic tangent.", "[0.0]", "[0.0]")
asinh = _unary("asinh", "The inverse of sinh.", "[0.0]", "[0.0]")
acosh = _unary("acosh", "The inverse of cosh.", "[1.0]", "[0.0]")
atanh = _unary("atanh", "The inverse of tanh.", "[0.0]", "[0.0]")
lgamma = _unary("lgamma", "The logarithm of the absolute gamma function.", "[1.0]", "[0.0]")
digamma = _unary("digamma", "The derivative of lgamma.", "[float('inf')]", "[inf]")
erfinv = _unary("erfinv", "The inverse of erf; NaN outside of [-1, 1].", "[0.0]", "[0.0]")
erf = _unary("erf", "The error function.", "[0.0]", "[0.0]")


def polygamma(x: Tensor, n: int, name: str | None = None) -> Tensor:
    """The n-th derivative of digamma.

    >>> import wherry as paddle
    >>> 1.64493 < paddle.polygamma(paddle.ones([1]), 1).item() < 1.64494  # pi ** 2 / 6
    True
    """
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"polygamma needs an int >= 0 as n, got {n!r}")
    out: Tensor = run_op("polygamma", need_tensor(x, "polygamma"), n=n) if n else digamma(x)
    return out


reciprocal = _unary("reciprocal", "1 / x.", "[4.0]", "[0.25]")
sigmoid = _unary("sigmoid", "1 / (1 + exp(-x)).", "[0.0]", "[0.5]")
abs = _unary("abs", "The absolute value.", "[-2.0]", "[2.0]", ints="keep")
square = _unary("square", "x * x.", "[3.0]", "[9.0]", ints="keep")
sign = _unary("sign", "-1, 0 or 1.", "[-2.0]", "[-1.0]", ints="keep")
floor = _unary("floor", "The largest integer <= x.", "[1.5]", "[1.0]", ints="keep")
ceil = _unary("ceil", "The smallest integer >= x.", "[1.5]", "[2.0]", ints="keep")
round = _unary(
    "round", "The nearest integer, halves to the even one.", "[1.6]", "[2.0]", ints="keep"
)


def trunc(input: Tensor, name: str | None = None) -> Tensor:
    """x without its fraction: rounded to zero.

    >>> import wherry as paddle
    >>> paddle.trunc(paddle.to_tensor([-1.5, 1.5])).tolist()
    [-1.0, 1.0]
    """
    out: Tensor = run_op("trunc", need_tensor(input, "trunc", "input"))
    return out


def neg(x: Tensor, name: str | None = None) -> Tensor:
    """-x, in x's dtype.

    >>> import wherry as paddle
    >>> paddle.neg(paddle.to_tensor([1, -2])).tolist()
    [-1, 2]
    """
    return scale(x, -1)


def scale(
    x: Tensor, scale: Any = 1.0, bias: float = 0.0, bias_after_scale: bool = True,
    act: str | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """x * scale + bias, or (x + bias) * scale if not `bias_after_scale`, in x's dtype.

    `scale` is a number or a Tensor of one element. `act` names an activation to apply.

    >>> import wherry as paddle
    >>> paddle.scale(paddle.to_tensor([1.0, 2.0]), 2.0, 1.0).tolist()
    [3.0, 5.0]
    """
    if isinstance(scale, Tensor):
        factor = cast_to(scale, x.dtype)
        base = x if bias_after_scale or not bias else run_op("scale", x, bias=bias)
        out: Tensor = run_op("elementwise_mul", base, factor)
        if bias_after_scale and bias:
            out = run_op("scale", out, bias=bias)
    else:
        out = _affine(need_tensor(x, "scale"), scale, bias, bias_after_scale)
    return run_op(act, out) if act else out


def _affine(x: Tensor, scale: Any, bias: Any, bias_after_scale: bool) -> Tensor:
    """The `scale` op. Paddle's arithmetic on bools gives bools: whether the number is not 0."""
    number = cast_to(x, int64) if is_bool(x) else x
    out: Tensor = run_op("scale", number, scale=scale, bias=bias, bias_after_scale=bias_after_scale)
    return cast_to(out, x.dtype)


def clip(x: Tensor, min: Any = None, max: Any = None, name: str | None = None) -> Tensor:
    """x limited to [min, max]; a limit is a number or a Tensor of one element, or None for none.

    >>> import wherry as paddle
    >>> paddle.clip(paddle.to_tensor([1.0, 5.0]), max=2.0).tolist()
    [1.0, 2.0]
    """
    need_tensor(x, "clip")
    if x.dtype.is_float and not isinstance(min, Tensor) and not isinstance(max, Tensor):
        low, high = -math.inf if min is None else min, math.inf if max is None else max
        return run_op("clip", x, min=float(low), max=float(high))  # type: ignore[no-any-return]
    if min is not None:
        low = cast_to(min, x.dtype) if isinstance(min, Tensor) else scalar(min, x.dtype)
        x = run_op("elementwise_max", x, low)
    if max is not None:
        high = cast_to(max, x.dtype) if isinstance(max, Tensor) else scalar(max, x.dtype)
        x = run_op("elementwise_min", x, high)
    return x if min is not None or max is not None else run_op("assign", x)


def cast(x: Tensor, dtype: Any) -> Tensor:
    """A copy of x in another dtype. To bool: x != 0; float to integer: rounded to zero.

    >>> import wherry as paddle
    >>> paddle.cast(paddle.to_tensor([1.7]), "int64").tolist()
    [1]
    """
    need_tensor(x, "cast")
    out: Tensor = run_op("cast", x, in_dtype=x.dtype, out_dtype=as_dtype(dtype))
    return out


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of Tensors of one shape and dtype; `inputs` is a Tensor or a list.

    >>> import wherry as paddle
    >>> paddle.add_n([paddle.ones([2]), paddle.ones([2])]).tolist()
    [2.0, 2.0]
    """
    with layer_name("add_n"):
        out: Tensor = run_op("sum", as_list(inputs))
    return out


def lerp(x: Tensor, y: Tensor, weight: Any, name: str | None = None) -> Tensor:
    """x + weight * (y - x); `weight` is a number or a Tensor that broadcasts.

    >>> import wherry as paddle
    >>> paddle.lerp(paddle.zeros([1]), paddle.ones([1]), 0.25).tolist()
    [0.25]
    """
    x, y = second_operand(x, y)
    return add(x, multiply(subtract(y, x), weight))


def increment(x: Tensor, value: float = 1.0, name: str | None = None) -> Tensor:
    """Add `value` to a Tensor of one element, in place; returns it.

    >>> import wherry as paddle
    >>> paddle.increment(paddle.zeros([1])).tolist()
    [1.0]
    """
    if x.size != 1:
        raise ValueError(f"increment needs a Tensor of one element, got shape {x.shape}")
    return write(x, run_op("scale", x, bias=value))


def stanh(
    x: Tensor, scale_a: float = 0.67, scale_b: float = 1.7159, name: str | None = None
) -> Tensor:
    """scale_b * tanh(scale_a * x).

    >>> import wherry as paddle
    >>> paddle.stanh(paddle.zeros([1])).tolist()
    [0.0]
    """
    return scale(tanh(scale(x, scale_a)), scale_b)


def true_divide(x: Tensor, other: Any) -> Tensor:
    """The operator `/`: integers give float32.

    >>> import wherry as paddle
    >>> (paddle.to_tensor([1, 2]) / 2).tolist()
    [0.5, 1.0]
    """
    if is_number(other):
        x = int_to_float(x)
    x, y = left_operands(x, other)
    out: Tensor = run_op("elementwise_div", int_to_float(x), int_to_float(y))
    return out


def kron(x: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """The Kronecker product of two Tensors of equal rank: sizes multiply.

    >>> import wherry as paddle
    >>> paddle.kron(paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([1.0, 1.0])).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    rank = x.ndim if x.ndim > y.ndim else y.ndim
    a, b = ([*[1] * (rank - one.ndim), *one.shape] for one in (x, y))
    left = run_op("reshape2", x, shape=[d for size in a for d in (size, 1)])
    right = run_op("reshape2", y, shape=[d for size in b for d in (1, size)])
    out: Tensor = run_op(
        "reshape2", multiply(left, right), shape=[p * q for p, q in zip(a, b, strict=True)]
    )
    return out


def _ratio(name: str, factor: float, text: str) -> Callable[..., Tensor]:
    def function(x: Tensor, name: str | None = None) -> Tensor:
        return scale(int_to_float(x), factor)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _UNARY_DOC.format(
        name=name, text=text, dtypes="floats, or integers, which become float32", given="[0.0]",
        example="[0.0]",
    )  # fmt: skip
    return function


deg2rad = _ratio("deg2rad", 0.017453292519943295, "Degrees as radians.")
rad2deg = _ratio("rad2deg", 57.29577951308232, "Radians as degrees.")
