"""Variable: a tensor of a Program that static mode builds; Parameter: one that training changes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wherry.ir.show import show_var
from wherry.schema.errors import ConversionError

from .. import tensor as eager
from ..jit.sizes import Size
from ..jit.state import at_line
from ..ops.convert import is_number, scalar
from ..ops.math import cast
from ..ops.operators import OPERATORS
from ..param_attr import ParamAttr
from ..traced import Traced
from ..unique_name import generate

if TYPE_CHECKING:
    from .block import Block
    from .scope import Scope
    from .tracer import StaticTracer


def _by_user(depth: int = 2) -> bool:
    """Whether the caller's caller is code outside of this package."""
    return not str(sys._getframe(depth).f_globals.get("__name__")).startswith("wherry.")


def _as_unknown(name: str) -> Callable[[Any, Any], Any]:
    """A comparison in which the user sees the -1 that is printed, as in Paddle."""
    exact = getattr(Size, name)

    def method(self: OpenSize, other: Any) -> Any:
        shows = isinstance(other, int) and _by_user()
        return getattr(-1, name)(other) if shows else exact(self, other)

    return method


class OpenSize(Size):
    """A size that is known at the run only: prints and compares as -1, but computes exactly."""

    __slots__ = ()
    __hash__ = Size.__hash__
    __eq__, __ne__ = _as_unknown("__eq__"), _as_unknown("__ne__")
    __lt__, __le__ = _as_unknown("__lt__"), _as_unknown("__le__")
    __gt__, __ge__ = _as_unknown("__gt__"), _as_unknown("__ge__")


class Variable(Traced):
    """What `static.data` and ops give in static mode: a name, a shape and a dtype, no value."""

    tracer: StaticTracer

    def __hash__(self) -> int:
        return id(self)

    @property
    def shape(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The sizes; one that is not known prints as -1, and can be computed with."""
        dims = self.variable.shape
        return tuple(d if isinstance(d, int) else OpenSize(dict(d.terms)) for d in dims)

    @property
    def persistable(self) -> bool:  # type: ignore[override]
        """Whether its value lives in a scope, between runs."""
        return self.variable.persistable

    @property
    def trainable(self) -> bool:  # type: ignore[override]
        return self.variable.trainable

    @property
    def is_data(self) -> bool:
        """Whether it is fed."""
        return self.variable.is_data

    @property
    def is_parameter(self) -> bool:
        """Whether a layer made it as a parameter, trained or not."""
        return isinstance(self, Parameter)

    @property
    def lod_level(self) -> int:
        return 0

    @property
    def block(self) -> Block:
        """The global block of its Program."""
        return self.tracer.owner.global_block()

    @property
    def desc(self) -> Any:
        """The Variable of the IR."""
        return self.variable

    @property
    def grad_name(self) -> str:
        """What append_backward calls its gradient."""
        return f"{self.name}@GRAD"

    def numpy(self) -> NoReturn:
        self._no_value("a numpy array")

    def item(self, *index: int) -> NoReturn:
        self._no_value("a Python number")

    def backward(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConversionError(
            "backward() is for dynamic mode: in static mode use optimizer.minimize(loss), "
            f"paddle.static.append_backward(loss) or paddle.static.gradients{at_line()}"
        )

    def get_value(self, scope: Scope | None = None) -> Any:
        """The value in a scope. ValueError where there is none."""
        from .scope import global_scope

        found = (scope or global_scope()).find_var(self.name)
        if found is None:
            raise ValueError(f"Can not find Variable '{self.name}' in the scope.")
        return found.get_tensor()

    def set_value(self, value: Any, scope: Scope | None = None) -> None:
        """Write the value in a scope. ValueError for another shape or dtype."""
        from .scope import fits, global_scope

        array = np.asarray(value.array if type(value) is eager.Tensor else value)
        reason = fits(self.variable, array)
        if reason:
            raise ValueError(reason)
        (scope or global_scope()).put(self.name, array)

    def to_string(self, throw_on_error: bool = False, with_details: bool = False) -> str:
        """What `print` shows."""
        return str(self)

    def __repr__(self) -> str:
        return show_var(self.variable, is_parameter=isinstance(self, Parameter))

    def _no_value(self, what: str) -> NoReturn:
        raise ConversionError(
            f"{show_var(self.variable)} has no value while the Program is being built, so it "
            f"cannot be used as {what} here. Run the Program: exe.run(feed=..., fetch_list=["
            f"variable]) gives values. Decide with paddle.static.nn.cond, loop with "
            f"paddle.static.nn.while_loop, compute with paddle's functions{at_line()}"
        )

    def __getitem__(self, item: Any) -> Any:
        if not _by_user():
            return super().__getitem__(item)
        with self.tracer.indexing(self.name):
            return super().__getitem__(item)

    def astype(self, dtype: Any) -> Any:
        """A copy in another dtype."""
        with self.tracer.naming("tmp"):
            return cast(self, dtype)


class Parameter(Variable, eager.Parameter):
    """A Variable that a layer made to be trained; its value lives in a scope."""

    def __hash__(self) -> int:
        return id(self)

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it."""
        return self.variable.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.variable.trainable, self.variable.stop_gradient = bool(value), not value

    @property
    def attr(self) -> ParamAttr:
        """How training treats it: its learning rate, regularizer, and whether it is clipped."""
        return self.tracer.owner.attrs.get(self.name) or ParamAttr()

    @property
    def optimize_attr(self) -> dict[str, Any]:  # type: ignore[override]
        return {"learning_rate": self.attr.learning_rate}

    @property
    def regularizer(self) -> Any:
        return self.attr.regularizer

    @property
    def need_clip(self) -> bool:  # type: ignore[override]
        return self.attr.need_clip


def _named(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The operator, whose results are named `tmp_0`, `tmp_1`, ... where the user writes it."""
    skips = _SKIPS.get(operator.__name__)

    @functools.wraps(operator)
    def call(self: Variable, *args: Any) -> Any:
        if not _by_user():
            return operator(self, *args)
        if skips is not None and is_number(args[0]):
            args = (skips(self, args[0]),)
        with self.tracer.naming("tmp"):
            return operator(self, *args)

    return call


def _divisor(self: Variable, number: Any) -> Any:
    """Paddle multiplies by the inverse, so that no name goes to a constant."""
    with self.tracer.naming("divisor"):
        return scalar(number, self.dtype) if self.dtype.is_float else number


def _exponent(self: Variable, number: Any) -> Any:
    """Paddle makes a constant of the exponent, which takes a name."""
    generate("tmp")
    return number


# Operators with a number that take more or fewer names in Paddle than the ops here.
_SKIPS: dict[str, Callable[[Variable, Any], Any]] = {
    "_truediv": _divisor, "__truediv__": _divisor, "_pow": _exponent, "__pow__": _exponent,
}  # fmt: skip

for _name in OPERATORS:
    setattr(Variable, _name, _named(OPERATORS[_name]))
