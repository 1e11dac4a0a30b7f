"""DataLoader: batches of a dataset, made here or in worker processes, in the order of the
sampler.
"""

from __future__ import annotations

import itertools
import multiprocessing
import queue
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..random import numpy_generator, seed
from .collate import collate_arrays, default_collate_fn, to_tensors
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler


@dataclass
class WorkerInfo:
    """Inside a worker process: its number, how many there are, its seed and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The worker process that runs this code; None in the main process."""
    return _worker_info


class DataLoader:
    """Iterates over batches.

    `collate_fn` makes a batch of a list of samples; batch_size None gives single samples.
    num_workers > 0 makes batches ahead in that many processes; an exception there is raised here
    with its traceback.

    >>> import wherry as paddle
    >>> data = paddle.io.TensorDataset([paddle.arange(4)])
    >>> [batch[0].tolist() for batch in DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3]]
    """

    def __init__(
        self, dataset: Any, feed_list: Any = None, places: Any = None, return_list: bool = True,
        batch_sampler: Any = None, batch_size: int | None = 1, shuffle: bool = False,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None, num_workers: int = 0,
        use_buffer_reader: bool = True, prefetch_factor: int = 2, use_shared_memory: bool = True,
        timeout: float = 0, worker_init_fn: Callable[[int], Any] | None = None,
        persistent_workers: bool = False,
    ) -> None:  # fmt: skip
        if num_workers < 0:
            raise ValueError(f"num_workers should be a non-negative value, but got {num_workers}")
        if batch_sampler is not None and (batch_size != 1 or shuffle or drop_last):
            raise ValueError(
                "batch_size/shuffle/drop_last should not be set when batch_sampler is given"
            )
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.num_workers, self.prefetch_factor, self.timeout = num_workers, prefetch_factor, timeout
        self.worker_init_fn, self.collate_fn, self.return_list = (
            worker_init_fn,
            collate_fn,
            return_list,
        )
        self.iterable = isinstance(dataset, IterableDataset)
        self.batch_sampler = batch_sampler
        if self.iterable:
            if shuffle or batch_sampler is not None:
                raise ValueError("IterableDataset takes neither shuffle nor batch_sampler")
        elif batch_sampler is None and batch_size is not None:
            self.batch_sampler = BatchSampler(dataset, None, shuffle, batch_size, drop_last)

    def __len__(self) -> int:
        if self.iterable:
            raise ValueError("length of IterableDataset not supported")
        return len(self.dataset) if self.batch_sampler is None else len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        return self._from_workers() if self.num_workers else self._from_here()

    def __call__(self) -> Iterator[Any]:
        return iter(self)

    def _jobs(self) -> Iterator[Any]:
        """The lists of indices; for single samples the indices themselves."""
        return iter(range(len(self.dataset)) if self.batch_sampler is None else self.batch_sampler)

    def _from_here(self) -> Iterator[Any]:
        if self.iterable:
            yield from self._batched(iter(self.dataset))
            return
        collate = self.collate_fn or default_collate_fn
        for job in self._jobs():
            if self.batch_sampler is None:
                yield to_tensors(self.dataset[job])
            else:
                yield collate([self.dataset[i] for i in job])

    def _batched(self, samples: Iterator[Any]) -> Iterator[Any]:
        collate = self.collate_fn or default_collate_fn
        if self.batch_size is None:
            yield from map(to_tensors, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield collate(batch)

    def _from_workers(self) -> Iterator[Any]:
        pool = _Workers(self)
        try:
            yield from pool.results(None if self.iterable else self._jobs())
        finally:
            pool.close()


class _Workers:
    """The processes of one pass over the data. Results come back in the order of the jobs."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        context = multiprocessing.get_context()
        count = loader.num_workers
        self.inbox: list[Any] = [context.Queue() for _ in range(count)]
        self.outbox: Any = context.Queue()
        base = int(numpy_generator().integers(0, 2**31))
        self.processes = [
            context.Process(
                target=_work, daemon=True,
                args=(WorkerInfo(i, count, base + i, loader.dataset), loader.worker_init_fn,
                      loader.collate_fn, loader.batch_size, loader.drop_last, self.inbox[i],
                      self.outbox),
            )
            for i in range(count)
        ]  # fmt: skip
        for process in self.processes:
            process.start()

    def results(self, jobs: Iterator[Any] | None) -> Iterator[Any]:
        """The batches; `jobs` None lets each worker go through its own copy of an
        IterableDataset.
        """
        count = self.loader.num_workers
        numbered = enumerate(itertools.repeat("next") if jobs is None else jobs)
        ahead = itertools.islice(numbered, count * self.loader.prefetch_factor)
        finished: set[int] = set()
        asked = {number: self._ask(number, job) for number, job in ahead}
        ready: dict[int, Any] = {}
        while asked or ready:
            number = min([*asked, *ready])
            while number not in ready:
                done, kind, value = self._receive()
                ready[done] = (kind, value, asked.pop(done))
            kind, value, worker = ready.pop(number)
            if kind == "error":
                raise RuntimeError(f"DataLoader worker ({worker}) raised:\n{value}")
            if kind == "end":
                finished.add(worker)
            following = None if len(finished) == count else next(numbered, None)
            if following is not None:
                asked[following[0]] = self._ask(*following)
            if kind == "batch":
                yield value if self.loader.collate_fn is not None else to_tensors(value)

    def _ask(self, number: int, job: Any) -> int:
        worker = number % len(self.inbox)
        self.inbox[worker].put((number, job))
        return worker

    def _receive(self) -> Any:
        waited = 0.0
        while True:
            try:
                return self.outbox.get(timeout=1.0)
            except queue.Empty:
                waited += 1.0
                dead = [p.pid for p in self.processes if not p.is_alive()]
                if dead:
                    raise RuntimeError(f"DataLoader workers {dead} ended unexpectedly") from None
                if self.loader.timeout and waited >= self.loader.timeout:
                    raise RuntimeError(f"DataLoader timed out after {waited:.0f} s") from None

    def close(self) -> None:
        """End the processes."""
        for box in self.inbox:
            box.put(None)
        for process in self.processes:
            process.join(timeout=2.0)
            if process.is_alive():
                process.terminate()
                process.join()
        for box in [*self.inbox, self.outbox]:
            box.cancel_join_thread()
            box.close()


def _work(
    info: WorkerInfo, init: Any, collate_fn: Any, batch_size: int | None, drop_last: bool,
    inbox: Any,
    outbox: Any,
) -> None:  # fmt: skip
    """The main function of a worker process."""
    global _worker_info
    _worker_info = info
    seed(info.seed)
    collate = collate_fn or collate_arrays
    maker: _Maker | None = None
    while (asked := inbox.get()) is not None:
        number, job = asked
        try:
            if maker is None:
                if init is not None:
                    init(info.id)
                maker = _Maker(info.dataset, collate, batch_size, drop_last)
            outbox.put((number, *maker.make(job)))
        except Exception:
            outbox.put((number, "error", traceback.format_exc()))


class _Maker:
    """Makes one batch for each job."""

    def __init__(
        self, dataset: Dataset, collate: Any, batch_size: int | None, drop_last: bool
    ) -> None:
        self.dataset, self.collate = dataset, collate
        self.batch_size, self.drop_last = batch_size, drop_last
        self.samples = iter(dataset) if isinstance(dataset, IterableDataset) else None

    def make(self, job: Any) -> tuple[str, Any]:
        """("batch", value), or ("end", None) when an IterableDataset has no more."""
        if self.samples is None:
            if isinstance(job, int):
                return "batch", self.dataset[job]
            return "batch", self.collate([self.dataset[i] for i in job])
        batch = list(itertools.islice(self.samples, self.batch_size or 1))
        if not batch or (self.drop_last and len(batch) < (self.batch_size or 1)):
            return "end", None
        return "batch", batch[0] if self.batch_size is None else self.collate(batch)
