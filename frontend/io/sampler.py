"""Samplers: in which order the samples of a dataset are taken, and how they form batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import Any

import numpy as np

from wherry.random import numpy_generator


class Sampler:
    """An order of indices: a subclass writes `__iter__()`."""

    def __init__(self, data_source: Sized | None = None) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        raise NotImplementedError(f"'__iter__' not implement in class {type(self).__name__}")

    def __len__(self) -> int:
        assert self.data_source is not None
        return len(self.data_source)


class SequenceSampler(Sampler):
    """0, 1, 2, ..."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))


class RandomSampler(Sampler):
    """A random order by the global seed, another one at each iteration."""

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: object = None,
    ) -> None:
        super().__init__(data_source)
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"num_samples should be a positive integer, got {num_samples!r}")
        if num_samples is not None and not replacement and num_samples > len(data_source):
            raise ValueError(
                f"num_samples {num_samples} is more than the {len(data_source)} samples; "
                "pass replacement=True to draw some of them twice"
            )
        self.replacement, self.num_samples = replacement, num_samples

    def __iter__(self) -> Iterator[int]:
        assert self.data_source is not None
        random, count = numpy_generator(), len(self.data_source)
        if self.replacement:
            return iter(random.integers(0, count, len(self)).tolist())
        return iter(random.permutation(count)[: len(self)].tolist())

    def __len__(self) -> int:
        return super().__len__() if self.num_samples is None else self.num_samples


class WeightedRandomSampler(Sampler):
    """`num_samples` indices, each drawn with a probability proportional to its weight."""

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True) -> None:
        super().__init__()
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1 or (self.weights < 0).any():
            raise ValueError("weights should be one list of numbers >= 0")
        self.num_samples, self.replacement = num_samples, replacement

    def __iter__(self) -> Iterator[int]:
        chances = self.weights / self.weights.sum()
        chosen = numpy_generator().choice(len(chances), self.num_samples, self.replacement, chances)
        return iter(chosen.tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a random order."""

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__(indices)
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        order = numpy_generator().permutation(len(self.indices))
        return (self.indices[i] for i in order)


class BatchSampler(Sampler):
    """Lists of `batch_size` indices from a sampler; the last may be shorter, or is dropped."""

    def __init__(
        self,
        dataset: Sized | None = None,
        sampler: Sampler | None = None,
        shuffle: bool = False,
        batch_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        super().__init__(dataset)
        if (dataset is None) == (sampler is None):
            raise ValueError("BatchSampler needs either dataset or sampler")
        if not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer, but got {batch_size!r}")
        if sampler is None:
            assert dataset is not None
            sampler = RandomSampler(dataset) if shuffle else SequenceSampler(dataset)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)
