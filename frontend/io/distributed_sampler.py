"""DistributedBatchSampler: the batches that one of several equal processes takes."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np

from .sampler import BatchSampler


class DistributedBatchSampler(BatchSampler):
    """The batches of process `rank` of `num_replicas` (0 of 1 by default): every process takes as
    many samples, the first ones again where they do not divide.

    `shuffle` orders them by the number of the epoch, which `set_epoch` sets, so that all processes
    agree on it.

    >>> import wherry as paddle
    >>> list(paddle.io.DistributedBatchSampler([7, 8, 9], 1, num_replicas=2, rank=1))
    [[1], [0]]
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        super().__init__(dataset, None, False, batch_size, drop_last)
        self.dataset, self.shuffle, self.epoch = dataset, shuffle, 0
        self.nranks = 1 if num_replicas is None else num_replicas
        self.local_rank = 0 if rank is None else rank
        if not 0 <= self.local_rank < self.nranks:
            raise ValueError(
                f"DistributedBatchSampler needs 0 <= rank < num_replicas, got rank {rank} and "
                f"num_replicas {num_replicas}"
            )
        self.num_samples = -(-len(dataset) // self.nranks)
        self.total_size = self.num_samples * self.nranks

    def __iter__(self) -> Iterator[list[int]]:  # type: ignore[override]
        indices = [i % len(self.dataset) for i in range(self.total_size)]
        if self.shuffle:
            np.random.RandomState(self.epoch).shuffle(indices)
            self.epoch += 1
        mine = self._share(indices)
        batches = [mine[i : i + self.batch_size] for i in range(0, len(mine), self.batch_size)]
        return (b for b in batches if len(b) == self.batch_size or not self.drop_last)

    def _share(self, indices: list[int]) -> list[int]:
        """Whole batches in turn, then an equal part of what is left."""
        step = self.batch_size * self.nranks
        whole = len(indices) - len(indices) % step
        mine = []
        for i in range(self.local_rank * self.batch_size, whole, step):
            mine += indices[i : i + self.batch_size]
        part = (len(indices) - whole) // self.nranks
        first = whole + self.local_rank * part
        return mine + indices[first : first + part]

    def __len__(self) -> int:
        full, rest = divmod(self.num_samples, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: it decides the order of `shuffle`."""
        self.epoch = epoch
