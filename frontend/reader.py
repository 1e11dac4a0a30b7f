"""`paddle.batch`: a reader of samples as a reader of lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Reader = Callable[[], Iterable[Any]]


def batch(reader: Reader, batch_size: int, drop_last: bool = False) -> Reader:
    """A function that gives lists of `batch_size` of what the reader, a function too, gives.

    >>> import wherry as paddle
    >>> list(paddle.batch(lambda: range(5), 2)())
    [[0, 1], [2, 3], [4]]
    """
    if int(batch_size) <= 0:
        raise ValueError(
            f"batch_size should be a positive integer value, but got batch_size={batch_size}"
        )

    def batches() -> Iterator[list[Any]]:
        found: list[Any] = []
        for sample in reader():
            found.append(sample)
            if len(found) == batch_size:
                yield found
                found = []
        if found and not drop_last:
            yield found

    return batches


__all__ = ["batch"]
