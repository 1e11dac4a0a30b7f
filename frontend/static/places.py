"""Where a Program runs, and names for its parts: accepted, there is one CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..device import CPUPlace, set_device


def cpu_places(device_count: int | None = None) -> list[CPUPlace]:
    """So many CPUPlaces, by default one."""
    return [CPUPlace() for _ in range(device_count or 1)]


@contextmanager
def device_guard(device: str | None = None) -> Iterator[None]:
    """Build ops for a device inside the with block: "cpu" or None. ValueError for another."""
    if device is not None:
        set_device(device)
    yield


@contextmanager
def name_scope(prefix: str | None = None) -> Iterator[None]:
    """Accepted: Paddle marks the ops that are built inside, for its own tools."""
    yield
