"""Signals: what the converter raises to itself, through the user's code."""

from __future__ import annotations


class Signal(BaseException):
    """No Exception, so that user code does not catch it."""


class NeedsSizes(Signal):
    """The trace needs a size as a number."""


class BranchEnds(Signal):
    """The code of a branch ends the call, or its `try`, with this error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error
