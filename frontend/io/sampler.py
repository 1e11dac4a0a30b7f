"""Samplers: in which order, and in which batches, a dataset's samples are taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..random import numpy_generator


class Sampler:
    """Gives indices: define `__iter__`."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")

    def __len__(self) -> int:
        return len(self.data_source)


class SequenceSampler(Sampler):
    """0, 1, 2, ..."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))


class RandomSampler(Sampler):
    """All indices in random order, or `num_samples` of them; the order follows `paddle.seed`."""

    def __init__(self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
                 generator: Any = None) -> None:  # fmt: skip
        super().__init__(data_source)
        if num_samples is not None and num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer, got {num_samples}")
        if not replacement and num_samples is not None and num_samples > len(data_source):
            raise ValueError(
                f"num_samples {num_samples} is more than the {len(data_source)} samples; use "
                f"replacement=True"
            )
        self.replacement, self.generator = replacement, generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, generator = len(self.data_source), numpy_generator()
        if self.replacement:
            return iter(generator.integers(0, size, self.num_samples).tolist())
        return iter(generator.permutation(size)[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """These indices in random order."""

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__(indices)

    def __iter__(self) -> Iterator[int]:
        order = numpy_generator().permutation(len(self.data_source))
        return iter([self.data_source[i] for i in order])


class WeightedRandomSampler(Sampler):
    """Indices drawn with probabilities in proportion to the weights."""

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True) -> None:
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1 or (self.weights < 0).any() or not self.weights.sum() > 0:
            raise ValueError("weights must be a vector of numbers >= 0, not all 0")
        self.num_samples, self.replacement = num_samples, replacement
        super().__init__(self.weights)

    def __iter__(self) -> Iterator[int]:
        chances = self.weights / self.weights.sum()
        chosen = numpy_generator().choice(len(chances), self.num_samples, self.replacement, chances)
        return iter(chosen.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices, of a dataset (in order or shuffled) or of a sampler.

    >>> list(BatchSampler(dataset=range(5), batch_size=2))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self, dataset: Any = None, sampler: Any = None, shuffle: bool = False, batch_size: int = 1,
        drop_last: bool = False,
    ) -> None:  # fmt: skip
        if (dataset is None) == (sampler is None):
            raise ValueError("BatchSampler needs either a dataset or a sampler")
        if not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer, but got {batch_size}")
        if sampler is None:
            sampler = RandomSampler(dataset) if shuffle else SequenceSampler(dataset)
        self.sampler, self.batch_size, self.shuffle, self.drop_last = (
            sampler,
            batch_size,
            shuffle,
            drop_last,
        )
        super().__init__(dataset)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class DistributedBatchSampler(BatchSampler):
    """The batches of one of `num_replicas` processes; in one process all of them."""

    def __init__(
        self, dataset: Any, batch_size: int, num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = False, drop_last: bool = False,
    ) -> None:  # fmt: skip
        self.nranks, self.local_rank, self.epoch = num_replicas or 1, rank or 0, 0
        super().__init__(dataset, None, shuffle, batch_size, drop_last)
        self.num_samples = math.ceil(len(dataset) / self.nranks)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as it is done in this epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        size, total = len(self.data_source), self.num_samples * self.nranks
        order = np.arange(size)
        if self.shuffle:
            # Every process must deal the same order.
            np.random.default_rng(self.epoch).shuffle(order)
            self.epoch += 1
        mine = np.resize(order, total)[self.local_rank :: self.nranks].tolist()
        for start in range(0, len(mine), self.batch_size):
            batch = mine[start : start + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = self.num_samples
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


__all__ = [
    "BatchSampler", "DistributedBatchSampler", "RandomSampler", "Sampler", "SequenceSampler",
    "SubsetRandomSampler", "WeightedRandomSampler",
]  # fmt: skip
