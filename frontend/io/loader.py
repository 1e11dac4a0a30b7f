"""DataLoader: batches of Tensors from a dataset, in this process or from worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from wherry.tensor import Tensor

from .collate import map_arrays, stack_samples
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler
from .worker import Recipe, WorkerPool


class DataLoader:
    """Iterates over a dataset in batches of Tensors.

    Args follow Paddle's. `batch_size=None` gives single samples; `num_workers` processes make
    batches ahead of time. With `return_list=False`, a batch is [{name: Tensor}] for
    `Executor.run`, by the names of the Variables in `feed_list`. `places`, `use_buffer_reader`,
    `use_shared_memory` and `timeout` are accepted and change nothing.

    >>> import numpy as np
    >>> from wherry.io import TensorDataset
    >>> loader = DataLoader(TensorDataset([np.arange(5)]), batch_size=2)
    >>> [batch[0].tolist() for batch in loader], len(loader)
    ([[0, 1], [2, 3], [4]], 3)
    """

    def __init__(
        self,
        dataset: Dataset,
        feed_list: Any = None,
        places: Any = None,
        return_list: bool = True,
        batch_sampler: BatchSampler | None = None,
        batch_size: int | None = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        use_buffer_reader: bool = True,
        prefetch_factor: int = 2,
        use_shared_memory: bool = True,
        timeout: int = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        persistent_workers: bool = False,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"num_workers should be 0 or more, but got {num_workers}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size should be a positive integer, but got {batch_size!r}")
        if batch_sampler is not None and (batch_size != 1 or shuffle or drop_last):
            raise ValueError(
                "batch_size, shuffle and drop_last should not be set when batch_sampler is given"
            )
        if isinstance(dataset, IterableDataset) and (shuffle or batch_sampler is not None):
            raise ValueError("an IterableDataset sets its own order: no shuffle, no batch_sampler")
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.num_workers, self.prefetch_factor = num_workers, prefetch_factor
        self.worker_init_fn = worker_init_fn
        # In static mode batches may be feeds by name.
        self._names = None if return_list or not feed_list else [one.name for one in feed_list]
        collate = collate_fn or stack_samples
        self._recipe = Recipe(dataset, collate if batch_size else _only_sample, drop_last)
        self.batch_sampler = batch_sampler or self._make_sampler(shuffle)

    def _make_sampler(self, shuffle: bool) -> BatchSampler | None:
        if isinstance(self.dataset, IterableDataset):
            return None
        return BatchSampler(self.dataset, None, shuffle, self.batch_size or 1, self.drop_last)

    def _indices(self) -> Iterable[list[int]]:
        if self.batch_sampler is None:
            return itertools.repeat(list(range(self.batch_size or 1)))
        return self.batch_sampler

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches():
            found = map_arrays(batch, Tensor)
            yield found if self._names is None else [dict(zip(self._names, found, strict=True))]

    def _batches(self) -> Iterator[Any]:
        if not self.num_workers:
            yield from self._recipe.batches(self._indices())
            return
        pool = WorkerPool(self._recipe, self.num_workers, self.prefetch_factor, self.worker_init_fn)
        try:
            yield from pool.batches(self._indices())
        finally:
            pool.close()

    def __call__(self) -> Iterator[Any]:
        return iter(self)

    def __len__(self) -> int:
        if self.batch_sampler is None:
            raise TypeError("the length of an IterableDataset's DataLoader is not known")
        return len(self.batch_sampler)


def _only_sample(samples: list[Any]) -> Any:
    return samples[0]
