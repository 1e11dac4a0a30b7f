"""Datasets: where samples come from. `paddle.io.Dataset` and its kin."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

from wherry.random import numpy_generator


class Dataset:
    """Samples by index: a subclass writes `__getitem__(index)` and `__len__()`.

    >>> class Squares(Dataset):
    ...     def __getitem__(self, index): return index * index
    ...     def __len__(self): return 4
    >>> Squares()[3], len(Squares())
    (9, 4)
    """

    def __getitem__(self, idx: int) -> Any:
        raise NotImplementedError(f"'__getitem__' not implement in class {type(self).__name__}")

    def __len__(self) -> int:
        raise NotImplementedError(f"'__len__' not implement in class {type(self).__name__}")


class IterableDataset(Dataset):
    """Samples as a stream: a subclass writes `__iter__()`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"'__iter__' not implement in class {type(self).__name__}")

    def __getitem__(self, idx: int) -> Any:
        raise RuntimeError("'__getitem__' should not be called for IterableDataset")

    def __len__(self) -> int:
        # A TypeError, so that list(dataset) takes it for "not known".
        raise TypeError("'__len__' should not be called for IterableDataset")


class TensorDataset(Dataset):
    """Sample i is the tuple of the i-th rows of tensors of equal first size."""

    def __init__(self, tensors: Sequence[Any]) -> None:
        sizes = {tensor.shape[0] for tensor in tensors}
        if len(sizes) != 1:
            raise ValueError(f"tensors need one first dimension, got {sorted(sizes)}")
        self.tensors = tensors

    def __getitem__(self, idx: int) -> tuple[Any, ...]:
        return tuple(tensor[idx] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class ComposeDataset(Dataset):
    """Sample i is the fields of the i-th samples of all datasets, in one tuple."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        sizes = {len(dataset) for dataset in datasets}
        if len(sizes) != 1:
            raise ValueError(f"datasets need equal lengths, got {sorted(sizes)}")
        self.datasets = list(datasets)

    def __getitem__(self, idx: int) -> tuple[Any, ...]:
        fields = (dataset[idx] for dataset in self.datasets)
        return tuple(
            chain.from_iterable(f if isinstance(f, (list, tuple)) else [f] for f in fields)
        )

    def __len__(self) -> int:
        return len(self.datasets[0])


class ChainDataset(IterableDataset):
    """One stream after the other."""

    def __init__(self, datasets: Sequence[IterableDataset]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.datasets)


class ConcatDataset(Dataset):
    """One dataset after the other, by index."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = list(datasets)
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, idx: int) -> Any:
        if not -len(self) <= idx < len(self):
            raise IndexError(f"index {idx} is out of range for {len(self)} samples")
        idx %= len(self)
        which = bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][idx - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1] if self.cumulative_sizes else 0


class Subset(Dataset):
    """The samples of a dataset at some indices."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[self.indices[idx]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset, lengths: Sequence[int], generator: object = None
) -> list[Subset]:
    """Split into subsets of these lengths, at random by the global seed.

    Raises ValueError where the lengths do not add up to the dataset's.
    """
    if sum(lengths) != len(dataset):
        raise ValueError(
            f"lengths must add up to the dataset's {len(dataset)}, got {list(lengths)}"
        )
    order = numpy_generator().permutation(len(dataset)).tolist()
    ends = list(accumulate(lengths))
    return [
        Subset(dataset, order[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]
