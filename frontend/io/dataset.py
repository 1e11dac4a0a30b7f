"""Datasets: what has samples by index, or one after another."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..random import numpy_generator


class Dataset:
    """Samples by index: define `__getitem__` and `__len__`."""

    def __getitem__(self, idx: int) -> Any:
        raise NotImplementedError(f"'{type(self).__name__}' defines no __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"'{type(self).__name__}' defines no __len__")


class IterableDataset(Dataset):
    """Samples one after another: define `__iter__`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"'{type(self).__name__}' defines no __iter__")

    def __getitem__(self, idx: int) -> Any:
        raise RuntimeError(
            f"'{type(self).__name__}' is an IterableDataset: it has no samples by index"
        )

    def __len__(self) -> int:
        raise RuntimeError(
            f"'{type(self).__name__}' is an IterableDataset: its length is not known"
        )


class TensorDataset(Dataset):
    """Sample i is the i-th row of each Tensor.

    >>> import wherry as paddle
    >>> data = TensorDataset([paddle.to_tensor([1.0, 2.0]), paddle.to_tensor([3, 4])])
    >>> len(data), [t.item() for t in data[1]]
    (2, [2.0, 4])
    """

    def __init__(self, tensors: Sequence[Any]) -> None:
        if len({len(tensor) for tensor in tensors}) > 1:
            raise ValueError("tensors not have same shape of the 1st dimension")
        self.tensors = list(tensors)

    def __getitem__(self, idx: int) -> tuple[Any, ...]:
        return tuple(tensor[idx] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class ComposeDataset(Dataset):
    """The fields of several datasets of one length side by side."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        if not datasets or len({len(d) for d in datasets}) > 1:
            raise ValueError("ComposeDataset needs datasets of one length")
        self.datasets = list(datasets)

    def __getitem__(self, idx: int) -> tuple[Any, ...]:
        fields: list[Any] = []
        for dataset in self.datasets:
            sample = dataset[idx]
            fields.extend(sample if isinstance(sample, (tuple, list)) else [sample])
        return tuple(fields)

    def __len__(self) -> int:
        return len(self.datasets[0])


class ChainDataset(IterableDataset):
    """The samples of several IterableDatasets one after another."""

    def __init__(self, datasets: Sequence[IterableDataset]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            yield from dataset


class ConcatDataset(Dataset):
    """The samples of several datasets behind one another."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        self.cumulative_sizes: list[int] = []
        for dataset in self.datasets:
            self.cumulative_sizes.append(len(dataset) + (self.cumulative_sizes or [0])[-1])

    def __getitem__(self, idx: int) -> Any:
        if not -len(self) <= idx < len(self):
            raise IndexError(f"index {idx} is out of range of {len(self)} samples")
        idx %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, idx)
        return self.datasets[which][idx - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1] if self.cumulative_sizes else 0


class Subset(Dataset):
    """The samples of a dataset at these indices."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[self.indices[idx]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Dataset, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """The dataset dealt at random into parts of these lengths, or of these shares of 1.

    >>> parts = random_split(TensorDataset([Tensor(__import__("numpy").arange(5))]), [3, 2])
    >>> [len(part) for part in parts]
    [3, 2]
    """
    total = len(dataset)
    sizes = [int(length) for length in lengths]
    if abs(sum(lengths) - 1) < 1e-9 and total != 1:
        sizes = [int(total * share) for share in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != total:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! {sum(sizes)} "
            f"!= {total}"
        )
    order = numpy_generator().permutation(total).tolist()
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


__all__ = [
    "ChainDataset", "ComposeDataset", "ConcatDataset", "Dataset", "IterableDataset", "Subset",
    "TensorDataset", "random_split",
]  # fmt: skip
