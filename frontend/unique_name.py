"""Names that are unique in the process, or in a `guard`: `fc_0`, `fc_1`, ... per prefix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

_Counters = defaultdict[str, int]
_counters: _Counters = defaultdict(int)
_prefix = ""


def generate(key: str) -> str:
    """The next name for this prefix.

    >>> with guard():
    ...     generate("fc"), generate("fc")
    ('fc_0', 'fc_1')
    """
    number = _counters[key]
    _counters[key] += 1
    return f"{_prefix}{key}_{number}"


def switch(new: _Counters | None = None) -> _Counters:
    """Count in `new` (or from 0) from now on; returns the counters that were used so far."""
    global _counters
    old, _counters = _counters, defaultdict(int) if new is None else new
    return old


@contextmanager
def guard(new_generator: str | None = None) -> Iterator[None]:
    """Count from 0 inside the with block; a string is put before every name."""
    global _prefix
    old_counters, old_prefix = switch(), _prefix
    _prefix = new_generator or ""
    try:
        yield
    finally:
        switch(old_counters)
        _prefix = old_prefix
