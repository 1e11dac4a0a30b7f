"""How many threads a call may use, and the one thread pool of the process.

The count is the least of: the CPUs that this process may run on, its quota of CPU time (cgroup v1
and v2), WHERRY_NUM_THREADS and OMP_NUM_THREADS. It is found out once; `set_num_threads` changes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Final

from wherry.schema.errors import InputError

# The pool counts the threads in a job with 12 bits.
MOST: Final = 1024
_VARIABLES: Final = ("WHERRY_NUM_THREADS", "OMP_NUM_THREADS")


class _Process:
    """What all models of this process share."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.count = 0
        self.pool = 0


process = _Process()


def num_threads() -> int:
    """The number of threads that a call may use, the caller's among them."""
    if not process.count:
        process.count = find_count(os.environ, _affinity())
    return process.count


def set_num_threads(count: int) -> None:
    """Let calls from now on use so many threads, 1 to 1024. Raises InputError for others."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise InputError(f"set_num_threads needs a count from 1 to {MOST}, got {count!r}")
    process.count = count if sys.platform == "linux" else 1


def pool_address(offered: Callable[[], int] | None) -> int:
    """The pool of this process: the first one that was offered; 0 where there is none."""
    if not process.pool and offered is not None:
        with process.lock:
            process.pool = process.pool or offered()
    return process.pool


def find_count(
    environment: Mapping[str, str], cpus: int, proc: Path = Path("/proc"),
    cgroups: Path = Path("/sys/fs/cgroup"),
) -> int:  # fmt: skip
    """The count for these settings, at least 1. Raises InputError for a variable that is none."""
    if sys.platform != "linux":
        return 1  # the pool is made of Linux's own calls
    quotas = [max(ceil(quota), 1) for quota in _quotas(proc, cgroups)]
    return min(cpus, MOST, *quotas, *_wanted(environment))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _wanted(environment: Mapping[str, str]) -> Iterator[int]:
    for name in _VARIABLES:
        # OMP_NUM_THREADS may list a count for each level of nesting.
        text = environment.get(name, "").split(",")[0].strip()
        if text and not (text.isascii() and text.isdigit() and int(text)):
            raise InputError(f"{name} needs a count of threads, got {text!r}")
        if text:
            yield int(text)


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """The CPUs' worth of time of each control group that this process is in."""
    for line in _read(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _along(cgroups, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for folder in (controllers, "cpu"):
                yield from _along(cgroups / folder, path, _quota_v1)


def _along(root: Path, path: str, quota: Callable[[Path], float | None]) -> Iterator[float]:
    """The quotas of a group and of those around it. In a container only the root may be seen."""
    folder = root / path.strip("/")
    for place in (folder, *folder.parents):
        found = quota(place)
        if found is not None:
            yield found
        if place == root:
            return


def _quota_v2(folder: Path) -> float | None:
    """cpu.max: `quota period` in microseconds, or `max period`."""
    return _ratio(*(_read(folder / "cpu.max").split() or ["max", "1"])[:2])


def _quota_v1(folder: Path) -> float | None:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str = "100000") -> float | None:
    """The CPUs that a quota is worth; None where there is no limit (`max`, -1, no file)."""
    quota, period = quota.strip(), period.strip()
    if not quota.isdigit() or not period.isdigit() or not int(period):
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""  # no such controller here
