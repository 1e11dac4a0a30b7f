"""Variable: a tensor of a Program that static mode builds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ops.operators import OPERATORS
from ..traced import Traced

if TYPE_CHECKING:
    from .program import StaticTracer


class Variable(Traced):
    """What `static.data` and ops give in static mode: a name, a shape and a dtype, no value."""

    tracer: StaticTracer

    def __hash__(self) -> int:
        return id(self)


def _named(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The operator, whose results are named `tmp_0`, `tmp_1`, ..."""

    @functools.wraps(operator)
    def call(self: Variable, *args: Any) -> Any:
        with self.tracer.naming("tmp"):
            return operator(self, *args)

    return call


for _name in OPERATORS:
    setattr(Variable, _name, _named(getattr(Traced, _name)))
