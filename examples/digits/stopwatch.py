"""How long a call takes."""

import time
from collections.abc import Callable

import numpy as np


def microseconds(call: Callable[[], object], rounds: int = 2000) -> float:
    """The median time of a call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e6)
