"""Special functions: lgamma, digamma, polygamma, erfinv. All are computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..infer import TensorType, fail
from ..opdef import f32, f64, lit, op, sample
from ..rules import floats
from ..scalar import NumpyScalars, Scalar, ScalarBuilder
from .grads import times, unary
from .pointwise import INF, NAN

Formula = Callable[[ScalarBuilder, Scalar], Scalar]


def _rules(formula: Formula) -> dict[str, Any]:
    """The meaning of an op, and how it is compiled: the formula, in float64."""

    def scalar(b: ScalarBuilder, x: Scalar) -> Scalar:
        return b.cast(formula(b, b.cast(x, "float64")), x.dtype)

    return {"scalar": scalar, "reference": lambda x: NumpyScalars().run(scalar, x)}


def _polynomial(x: Scalar, coefficients: Sequence[float]) -> Scalar:
    """The first coefficient is that of the highest power."""
    found: Any = coefficients[0]
    for one in coefficients[1:]:
        found = x * found + one
    return found  # type: ignore[no-any-return]


def _from_the_pole(b: ScalarBuilder, x: Scalar) -> Scalar:
    """pi times the distance to the nearest whole number."""
    return (x - b.round(x)) * math.pi


# lgamma by Lanczos' series (g = 607 / 128, of 15 terms), to the right of 1/2; mirrored to the left.
_G = 607 / 128
_LANCZOS = (
    0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174,
    -0.49191381609762019978, 0.33994649984811888699e-4, 0.46523628927048575665e-4,
    -0.98374475304879564677e-4, 0.15808870322491248884e-3, -0.21026444172410488319e-3,
    0.21743961811521264320e-3, -0.16431810653676389022e-3, 0.84418223983852743293e-4,
    -0.26190838401581408670e-4, 0.36899182659531622704e-5,
)  # fmt: skip


def _lgamma_formula(b: ScalarBuilder, x: Scalar) -> Scalar:
    left = x < 0.5
    z = b.select(left, 1 - x, x)
    series: Any = _LANCZOS[0]
    for k, term in enumerate(_LANCZOS[1:]):
        series = series + term / (z + float(k))
    t = z + (_G - 0.5)
    right = (z - 0.5) * b.log(t) - t + b.log(series) + 0.5 * math.log(2 * math.pi)
    sine = b.abs(b.sin(_from_the_pole(b, x)))
    found = b.select(left, math.log(math.pi) - b.log(sine) - right, right)
    return b.select(b.isinf(x), b.abs(x), found)


# digamma: eight steps to the right, then the asymptotic series in 1 / z^2.
_STEPS = 8
_PSI = (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12, 0.0)
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def _digamma_formula(b: ScalarBuilder, x: Scalar) -> Scalar:
    left = x < 0.5
    y = b.select(left, 1 - x, x)
    steps: Any = 1 / y
    for k in range(1, _STEPS):
        steps = steps + 1 / (y + float(k))
    z = y + float(_STEPS)
    right = b.log(z) - 0.5 / z + _polynomial(1 / (z * z), _PSI) - steps
    turn = _from_the_pole(b, x)
    mirrored = right - math.pi * b.cos(turn) / b.sin(turn)
    pole = (x <= 0) & b.eq(x, b.floor(x))
    return b.select(pole, NAN, b.select(left, mirrored, right))


def _powers_of_cot(n: int) -> list[float]:
    """The n-th derivative of cot(t) as a polynomial in cot(t), the highest power first."""
    found = [0.0, 1.0]  # by rising powers
    for _ in range(n):
        slope = [k * one for k, one in enumerate(found)][1:]
        found = [-a - b for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    return found[::-1]


def _power(x: Scalar, n: int) -> Scalar:
    found = x
    for _ in range(n - 1):
        found = found * x
    return found


def _polygamma_formula(b: ScalarBuilder, x: Scalar, n: int) -> Scalar:
    """Steps to the right, as far as the asymptotic series needs; mirrored left of 1/2."""
    left = x < 0.5
    y = b.select(left, 1 - x, x)
    count = _STEPS + 2 * n
    steps: Any = _power(1 / y, n + 1)
    for k in range(1, count):
        steps = steps + _power(1 / (y + float(k)), n + 1)
    r = 1 / (y + float(count))
    series = [one * math.prod(range(2 * k + 1, 2 * k + n)) for k, one in enumerate(_BERNOULLI, 1)]
    tail = _polynomial(r * r, [*series[::-1], 0.0]) + math.factorial(n - 1)
    whole = (tail + r * (math.factorial(n) / 2)) * _power(r, n) + steps * math.factorial(n)
    right = whole * (-1.0) ** (n + 1)
    turn = _from_the_pole(b, x)
    mirror = _polynomial(b.cos(turn) / b.sin(turn), _powers_of_cot(n)) * math.pi ** (n + 1)
    return b.select(left, right * (-1.0) ** n - mirror, right)


# Wichura's AS241 (1988): quotients of polynomials near 0, farther out, and in the tails.
_NEAR = (
    (2.509080928730122672e3, 3.343057558358812810e4, 6.726577092700870085e4,
     4.592195393154987145e4, 1.373169376550946112e4, 1.971590950306551442e3,
     1.331416678917843774e2, 3.387132872796366608e0),
    (5.226495278852854561e3, 2.872908573572194267e4, 3.930789580009271061e4,
     2.121379430158659586e4, 5.394196021424751107e3, 6.871870074920579083e2,
     4.231333070160091125e1, 1.0),
)  # fmt: skip
_FAR = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _quotient(x: Scalar, parts: tuple[Sequence[float], Sequence[float]]) -> Scalar:
    return _polynomial(x, parts[0]) / _polynomial(x, parts[1])


def _erfinv_formula(b: ScalarBuilder, x: Scalar) -> Scalar:
    q = x * 0.5
    near = q * _quotient(0.180625 - q * q, _NEAR)
    r = b.sqrt(-b.log((1 - b.abs(x)) * 0.5))
    far = b.sign(x) * b.select(r <= 5.0, _quotient(r - 1.6, _FAR), _quotient(r - 5.0, _TAIL))
    found = b.select(b.abs(x) <= 0.85, near, far) * math.sqrt(0.5)
    return b.select(b.eq(b.abs(x), 1.0), x * INF, found)


_SAMPLES = [
    sample(f32(3, 4, low=0.1, high=4.0)), sample(f64(9, low=-3.9, high=-3.1)), sample(f32(0)),
    sample(lit(2.5)),
]  # fmt: skip

op(
    "lgamma", "X", infer=floats, **_rules(_lgamma_formula),
    grad=unary(lambda F, g, x, out: F.elementwise_mul(g, F.digamma(x))),
    samples=[*_SAMPLES, sample(lit([NAN, INF, -INF, 0.0, -1.0, 1e30]), grad=False)],
)  # fmt: skip
op(
    "digamma", "X", infer=floats, **_rules(_digamma_formula),
    grad=unary(lambda F, g, x, out: F.elementwise_mul(g, F.polygamma(x, n=1))),
    samples=[*_SAMPLES, sample(lit([NAN, INF, -INF, 0.0, -1.0, 1e30]), grad=False)],
)  # fmt: skip


def _polygamma_scalar(b: ScalarBuilder, x: Scalar, n: int) -> Scalar:
    return b.cast(_polygamma_formula(b, b.cast(x, "float64"), n), x.dtype)


def _polygamma_infer(x: TensorType, *, n: int) -> TensorType:
    if not isinstance(n, int) or n < 1:
        fail(f"needs n to be an int >= 1, got {n!r}")
    return floats(x)


op(
    # The n-th derivative of digamma.
    "polygamma", "X", attrs={"n": 1}, infer=_polygamma_infer, scalar=_polygamma_scalar,
    reference=lambda x, n: NumpyScalars().run(_polygamma_scalar, x, n=n),
    grad=lambda F, c: (F.elementwise_mul(c.g, F.polygamma(c.x, n=c["n"] + 1)),),
    samples=[
        *_SAMPLES, sample(f32(3, 4, low=0.5, high=4.0), n=2),
        sample(f64(5, low=-2.8, high=-2.2), n=3),
        sample(lit([NAN, INF, 0.0, -1.0, 1e30]), grad=False),
    ],
)  # fmt: skip
op(
    "erfinv", "X", infer=floats, **_rules(_erfinv_formula),
    grad=unary(
        lambda F, g, x, out: F.elementwise_mul(
            times(F, g, math.sqrt(math.pi) / 2), F.exp(F.square(out))
        )
    ),
    samples=[
        sample(f32(3, 4, low=-0.99, high=0.99)), sample(f64(40, low=-0.99, high=0.99)),
        sample(f32(0)), sample(lit(0.5)),
        sample(lit([NAN, 1.0, -1.0, 2.0, -0.0, 1e-30, 0.99999994]), grad=False),
        sample(lit([1 - 1e-16, 1e-300, -1 + 1e-12], "float64"), grad=False),
    ],
)  # fmt: skip
