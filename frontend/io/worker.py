"""Worker processes of a DataLoader: each makes batches from the indices that it is sent.

Batch i is made by worker i mod n and taken in that order, so the order of batches does not depend
on timing. Worker processes end with the iteration, or with the parent.
"""

from __future__ import annotations

import itertools
import multiprocessing
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from .collate import to_arrays
from .dataset import Dataset, IterableDataset


@dataclass(frozen=True)
class WorkerInfo:
    """In a worker process: its number, how many there are, and the dataset."""

    id: int
    num_workers: int
    dataset: Dataset


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The WorkerInfo of this process, None in the main process."""
    return _info


@dataclass(frozen=True)
class Recipe:
    """How batches are made of indices; for a stream, indices only say how many samples to take."""

    dataset: Dataset
    collate: Callable[[list[Any]], Any]
    drop_last: bool = False

    def batches(self, indices: Iterable[list[int]]) -> Iterator[Any]:
        """One batch per list of indices; ends where a stream is exhausted."""
        if not isinstance(self.dataset, IterableDataset):
            for chosen in indices:
                yield self.collate([self.dataset[i] for i in chosen])
            return
        stream = iter(self.dataset)
        for chosen in indices:
            samples = list(itertools.islice(stream, len(chosen)))
            if not samples or (self.drop_last and len(samples) < len(chosen)):
                return
            yield self.collate(samples)


def _serve(
    connection: Connection, recipe: Recipe, info: WorkerInfo, init: Callable[[int], None] | None
) -> None:
    global _info
    _info = info
    try:
        if init is not None:
            init(info.id)
        for batch in recipe.batches(_received(connection)):
            connection.send(("batch", to_arrays(batch)))
        connection.send(("end", None))
    except Exception as error:
        connection.send(("error", (error, traceback.format_exc())))
    for _ in _received(connection):
        connection.send(("end", None))


def _received(connection: Connection) -> Iterator[list[int]]:
    """What the parent sends, until it closes its end."""
    while True:
        try:
            yield connection.recv()
        except (EOFError, KeyboardInterrupt):
            return


class WorkerPool:
    """`count` processes; `batches` sends them indices ahead of time and takes batches in order."""

    def __init__(
        self, recipe: Recipe, count: int, ahead: int, init: Callable[[int], None] | None
    ) -> None:
        context = multiprocessing.get_context()
        self.ahead = max(1, ahead)
        self.connections: list[Connection] = []
        self.processes = []
        for number in range(count):
            ours, theirs = context.Pipe()
            info = WorkerInfo(number, count, recipe.dataset)
            process = context.Process(target=_serve, args=(theirs, recipe, info, init), daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def batches(self, indices: Iterable[list[int]]) -> Iterator[Any]:
        """The batches in order, until the indices or all streams end.

        An exception of a worker is raised here, with the worker's traceback as its cause.
        """
        waiting: deque[Connection] = deque()
        ended: set[Connection] = set()
        for chosen, connection in zip(indices, itertools.cycle(self.connections), strict=False):
            if len(ended) == len(self.connections):
                return
            self._send(chosen, connection)
            waiting.append(connection)
            if len(waiting) >= self.ahead * len(self.connections):
                yield from self._take(waiting.popleft(), ended)
        while waiting:
            yield from self._take(waiting.popleft(), ended)

    def _send(self, chosen: list[int], connection: Connection) -> None:
        try:
            connection.send(chosen)
        except ConnectionError:
            raise self._ended(connection) from None

    def _ended(self, connection: Connection) -> RuntimeError:
        """What to raise for a worker that is gone: it was killed, or the dataset ended it."""
        number = self.connections.index(connection)
        process = self.processes[number]
        process.join()
        return RuntimeError(
            f"DataLoader worker {number} ended unexpectedly with the exit code {process.exitcode} "
            "(negative: killed by that signal, as where memory runs out); num_workers=0 loads in "
            "this process and shows what happens"
        )

    def _take(self, connection: Connection, ended: set[Connection]) -> Iterator[Any]:
        try:
            kind, value = connection.recv()
        except (EOFError, ConnectionError):
            raise self._ended(connection) from None
        if kind == "error":
            error, text = value
            raise error from RuntimeError(f"in a DataLoader worker process:\n{text}")
        if kind == "end":
            ended.add(connection)
        else:
            yield value

    def close(self) -> None:
        """End the processes."""
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.terminate()
            process.join()
