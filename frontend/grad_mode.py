"""Whether ops are put on the tape: the switch, and the ways to turn it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

grad_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)


class set_grad_enabled:
    """Switch the tape on or off, as a statement, a with block or a decorator.

    >>> import wherry as paddle
    >>> x = paddle.ones([1], dtype="float32"); x.stop_gradient = False
    >>> with paddle.set_grad_enabled(False):
    ...     (x * 2).stop_gradient
    True
    """

    def __init__(self, mode: bool) -> None:
        self.before, self.mode = grad_enabled.get(), bool(mode)
        grad_enabled.set(self.mode)

    def __enter__(self) -> None:
        grad_enabled.set(self.mode)

    def __exit__(self, *_: object) -> None:
        grad_enabled.set(self.before)


class _GradMode:
    """no_grad and enable_grad: a context manager, and a decorator with or without parentheses."""

    mode: bool
    before: list[bool]

    if TYPE_CHECKING:

        def __init__(self, function: Callable[..., Any] | None = None) -> None: ...

    else:

        def __new__(cls, function=None):
            self = super().__new__(cls)
            self.before = []
            return self if function is None else self(function)

    def __enter__(self) -> None:
        self.before.append(grad_enabled.get())
        grad_enabled.set(self.mode)

    def __exit__(self, *_: object) -> None:
        grad_enabled.set(self.before.pop())

    def __call__(self, function: F) -> F:
        mode = self.mode

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with grad_mode(mode):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """Keep what happens inside off the tape."""

    mode = False


class enable_grad(_GradMode):
    """Put what happens inside on the tape again."""

    mode = True


@contextmanager
def grad_mode(mode: bool) -> Iterator[None]:
    """The tape on or off inside the block; what wherry itself uses."""
    token = grad_enabled.set(mode)
    try:
        yield
    finally:
        grad_enabled.reset(token)


def is_grad_enabled() -> bool:
    """Whether ops are put on the tape now."""
    return grad_enabled.get()
