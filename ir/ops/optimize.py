"""The updates of optimizers, and what clips gradients: a step of training inside a Program.

`ParamOut` is the parameter after the step, `MomentOut` and the like are the accumulators after it;
whoever builds the Program stores them. All are composites over maps, so that a step is one loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..emit import ArrayEmitter, Emitter
from ..infer import TensorType, fail_type, require, show
from ..opdef import ArraySpec, Sample, f32, f64, op, sample
from ..rules import floats, same_dtype, same_shape
from .build import Term, total
from .grads import reshape_to

# These slots hold one number; all others have the shape of Param.
SCALARS = ("LearningRate", "Beta1Pow", "Beta2Pow")


def _infer_with(inputs: str, outputs: str) -> Callable[..., Any]:
    """The shape rule: outputs have the types of the inputs that they are the next value of."""
    slots, results = inputs.split(), outputs.split()

    def infer(*types: TensorType, **_: Any) -> Any:
        given = dict(zip(slots, types, strict=True))
        param = floats(given["Param"], "Param")
        for slot, t in given.items():
            if slot == "LearningRate":
                floats(t, slot)
            else:
                same_dtype(param, t, f"Param and {slot}")
            if slot in SCALARS:
                require(t.size, "==", 1, f"needs one number in {slot}, got {show(t.shape)}")
            else:
                message = f"needs {slot} of Param's shape {show(param.shape)}, got {show(t.shape)}"
                same_shape(t.shape, param.shape, message)
        found = tuple(given[name.removesuffix("Out")] for name in results)
        return found if len(found) > 1 else found[0]

    return infer


def _number(F: Emitter, value: Any, like: Any) -> Term:
    """A one-element tensor as a 0-d one of another's dtype, which broadcasts against it."""
    have, want = F.type_of(value).dtype, F.type_of(like).dtype
    if have is not want:
        value = F.cast(value, in_dtype=have, out_dtype=want)
    return Term(F, reshape_to(F, value, ()))


def _update(
    type: str, inputs: str, outputs: str, step: Callable[..., Any], samples: list[Sample],
    **attrs: Any,
) -> None:  # fmt: skip
    """Declare an update by its formula on Terms, `step(param, grad, rate, *state, **attrs)`."""
    slots = inputs.split()

    def expand(F: Emitter, *values: Any, **options: Any) -> Any:
        given = dict(zip(slots, values, strict=True))
        like = given["Param"]
        terms = [
            _number(F, value, like) if slot in SCALARS else Term(F, value)
            for slot, value in given.items()
        ]
        found = step(*terms, **options)
        flat = [
            reshape_to(
                F, term.value, F.type_of(values[slots.index(name.removesuffix("Out"))]).shape
            )
            for name, term in zip(outputs.split(), found, strict=True)
        ]
        return tuple(flat) if len(flat) > 1 else flat[0]

    op(
        type, inputs, outputs, attrs=attrs, infer=_infer_with(inputs, outputs), expand=expand,
        reference=lambda *values, **options: expand(ArrayEmitter(), *values, **options),
        samples=samples,
    )  # fmt: skip


def _samples(inputs: str, positive: str = "", **attrs: Any) -> list[Sample]:
    """Samples of a matrix, a number, nothing, and float64; `positive` slots hold squares."""

    def of(make: Callable[..., ArraySpec], *shape: int) -> Sample:
        specs = []
        for slot in inputs.split():
            if slot in SCALARS:
                specs.append(make(1, low=0.1, high=0.9))
            else:
                low = 0.0 if slot in positive.split() else -2.0
                specs.append(make(*shape, low=low))
        return sample(*specs, grad=False, rtol=2e-5, **attrs)

    return [of(f32, 3, 4), of(f32), of(f32, 0), of(f64, 5)]


def _sgd(param: Term, rate: Term, grad: Term) -> tuple[Term]:
    return (param - rate * grad,)


_SGD = "Param LearningRate Grad"
_update("sgd", _SGD, "ParamOut", _sgd, _samples(_SGD))


def _momentum(
    param: Term, grad: Term, velocity: Term, rate: Term, *, mu: float, use_nesterov: bool,
    regularization_method: str, regularization_coeff: float, rescale_grad: float,
) -> tuple[Term, Term]:  # fmt: skip
    if rescale_grad != 1.0:
        grad = grad * rescale_grad
    if regularization_method == "l2_decay":
        grad = grad + param * regularization_coeff
    velocity = velocity * mu + grad
    return param - rate * (grad + velocity * mu if use_nesterov else velocity), velocity


_MOMENTUM = "Param Grad Velocity LearningRate"
_update(
    "momentum", _MOMENTUM, "ParamOut VelocityOut", _momentum,
    [
        *_samples(_MOMENTUM, mu=0.9), *_samples(_MOMENTUM, mu=0.8, use_nesterov=True)[:1],
        *_samples(_MOMENTUM, regularization_method="l2_decay", regularization_coeff=0.1,
                  rescale_grad=0.5)[:1],
    ],
    mu=0.9, use_nesterov=False, regularization_method="", regularization_coeff=0.0,
    rescale_grad=1.0,
)  # fmt: skip


def _moments(
    grad: Term, first: Term, second: Term, beta1: float, beta2: float
) -> tuple[Term, Term]:
    return first * beta1 + grad * (1 - beta1), second * beta2 + grad * grad * (1 - beta2)


def _adam(
    param: Term, grad: Term, rate: Term, first: Term, second: Term, power1: Term, power2: Term, *,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Term, ...]:  # fmt: skip
    first, second = _moments(grad, first, second, beta1, beta2)
    root = (1 - power2).op("sqrt")
    step = rate * root / (1 - power1)
    param = param - step * (first / (second.op("sqrt") + root * epsilon))
    return param, first, second, power1 * beta1, power2 * beta2


_ADAM = "Param Grad LearningRate Moment1 Moment2 Beta1Pow Beta2Pow"
_ADAM_OUT = "ParamOut Moment1Out Moment2Out Beta1PowOut Beta2PowOut"
_update(
    "adam", _ADAM, _ADAM_OUT, _adam, _samples(_ADAM, "Moment2"),
    beta1=0.9, beta2=0.999, epsilon=1e-8,
)  # fmt: skip


def _adamw(
    param: Term, grad: Term, rate: Term, *state: Term, coeff: float, lr_ratio: float,
    with_decay: bool, **adam: Any,
) -> tuple[Term, ...]:  # fmt: skip
    rate = rate * lr_ratio if lr_ratio != 1.0 else rate
    decayed = param * (1 - rate * coeff) if with_decay else param
    return _adam(decayed, grad, rate, *state, **adam)


_update(
    "adamw", _ADAM, _ADAM_OUT, _adamw,
    [
        *_samples(_ADAM, "Moment2"), *_samples(_ADAM, "Moment2", lr_ratio=0.5, coeff=0.1)[:1],
        *_samples(_ADAM, "Moment2", with_decay=False)[:1],
    ],
    beta1=0.9, beta2=0.999, epsilon=1e-8, coeff=0.01, lr_ratio=1.0, with_decay=True,
)  # fmt: skip


def _lamb(
    param: Term, grad: Term, rate: Term, first: Term, second: Term, power1: Term, power2: Term, *,
    beta1: float, beta2: float, epsilon: float, weight_decay: float, always_adapt: bool,
) -> tuple[Term, ...]:  # fmt: skip
    first, second = _moments(grad, first, second, beta1, beta2)
    root = (second / (1 - power2)).op("sqrt") + epsilon
    direction = first / (1 - power1) / root + param * weight_decay
    if weight_decay or always_adapt:
        size, length = _length(param), _length(direction)
        ratio = ((size > 0) & (length > 0)).where(size / length, 1.0)
        rate = rate * ratio
    return param - rate * direction, first, second, power1 * beta1, power2 * beta2


def _length(x: Term) -> Term:
    """The 2-norm of all elements."""
    return Term(x.F, _squared(x.F, x.value)).op("sqrt")


def _squared(F: Emitter, x: Any) -> Any:
    """The sum of all squares, a 0-d value."""
    return total(F, F.elementwise_mul(x, x), list(range(F.type_of(x).ndim)), keep=False)


_update(
    "lamb", _ADAM, _ADAM_OUT, _lamb,
    [*_samples(_ADAM, "Moment2"), *_samples(_ADAM, "Moment2", weight_decay=0.0)[:1]],
    beta1=0.9, beta2=0.999, epsilon=1e-6, weight_decay=0.01, always_adapt=False,
)  # fmt: skip


def _adamax(
    param: Term, grad: Term, rate: Term, moment: Term, norm: Term, power: Term, *,
    beta1: float, beta2: float, epsilon: float,
) -> tuple[Term, ...]:  # fmt: skip
    moment = moment * beta1 + grad * (1 - beta1)
    norm = abs(grad).op("elementwise_max", norm * beta2 + epsilon)
    return param - rate / (1 - power) * (moment / norm), moment, norm


_ADAMAX = "Param Grad LearningRate Moment InfNorm Beta1Pow"
_update(
    "adamax", _ADAMAX, "ParamOut MomentOut InfNormOut", _adamax, _samples(_ADAMAX, "InfNorm"),
    beta1=0.9, beta2=0.999, epsilon=1e-8,
)  # fmt: skip


def _adagrad(
    param: Term, grad: Term, moment: Term, rate: Term, *, epsilon: float
) -> tuple[Term, Term]:
    moment = moment + grad * grad
    return param - rate * grad / (moment.op("sqrt") + epsilon), moment


_ADAGRAD = "Param Grad Moment LearningRate"
_update(
    "adagrad", _ADAGRAD, "ParamOut MomentOut", _adagrad, _samples(_ADAGRAD, "Moment"), epsilon=1e-6
)


def _adadelta(
    param: Term, grad: Term, squares: Term, steps: Term, rate: Term, *, rho: float, epsilon: float
) -> tuple[Term, ...]:
    squares = squares * rho + grad * grad * (1 - rho)
    step = ((steps + epsilon) / (squares + epsilon)).op("sqrt") * grad
    return param - rate * step, squares, steps * rho + step * step * (1 - rho)


_ADADELTA = "Param Grad AvgSquaredGrad AvgSquaredUpdate LearningRate"
_update(
    "adadelta", _ADADELTA, "ParamOut AvgSquaredGradOut AvgSquaredUpdateOut", _adadelta,
    _samples(_ADADELTA, "AvgSquaredGrad AvgSquaredUpdate"), rho=0.95, epsilon=1e-6,
)  # fmt: skip


def _rmsprop(
    param: Term, grad: Term, moment: Term, square: Term, mean: Term, rate: Term, *,
    decay: float, epsilon: float, momentum: float, centered: bool,
) -> tuple[Term, ...]:  # fmt: skip
    square = square * decay + grad * grad * (1 - decay)
    spread = square
    if centered:
        mean = mean * decay + grad * (1 - decay)
        spread = square - mean * mean
    moment = moment * momentum + rate * grad / (spread + epsilon).op("sqrt")
    return param - moment, moment, square, mean


_RMSPROP = "Param Grad Moment MeanSquare MeanGrad LearningRate"
_update(
    "rmsprop", _RMSPROP, "ParamOut MomentOut MeanSquareOut MeanGradOut", _rmsprop,
    [
        *_samples(_RMSPROP, "MeanSquare"),
        sample(f32(5), f32(5), f32(5), f32(5, low=4.0, high=5.0), f32(5, low=-0.5, high=0.5),
               f32(1), grad=False, centered=True, momentum=0.5),
    ],
    decay=0.95, epsilon=1e-6, momentum=0.0, centered=False,
)  # fmt: skip


def _norm_infer(x: TensorType) -> TensorType:
    return TensorType((1,), floats(x).dtype)


op(
    "squared_l2_norm", "X",
    infer=_norm_infer,
    expand=lambda F, x: reshape_to(F, _squared(F, x), (1,)),
    reference=lambda x: reshape_to(ArrayEmitter(), _squared(ArrayEmitter(), x), (1,)),
    samples=[sample(f32(3, 4), grad=False), sample(f32(), grad=False), sample(f64(0), grad=False)],
)  # fmt: skip


def _clip_by_norm(F: Emitter, x: Any, max_norm: float) -> Any:
    """x where its 2-norm is at most max_norm, else x scaled to that norm."""
    norm = _length(Term(F, x))
    return (Term(F, x) * (norm > max_norm).where(max_norm / norm, 1.0)).value


def _clip_infer(x: TensorType, *, max_norm: float) -> TensorType:
    if not isinstance(max_norm, (int, float)):
        fail_type(f"needs a number as max_norm, got {max_norm!r}")
    return floats(x)


op(
    "clip_by_norm", "X", attrs={"max_norm": 1.0},
    infer=_clip_infer,
    expand=_clip_by_norm,
    reference=lambda x, max_norm: _clip_by_norm(ArrayEmitter(), x, max_norm),
    samples=[
        sample(f32(3, 4), grad=False), sample(f32(3), max_norm=100.0, grad=False),
        sample(f64(), grad=False), sample(f32(0), grad=False),
    ],
)  # fmt: skip
