"""paddle.io: what a DataLoader gives, in this process and from workers."""

import os

import numpy as np
import pytest

import wherry as paddle
from wherry import io


class Squares(io.Dataset):
    def __init__(self, count=10):
        self.count = count

    def __getitem__(self, index):
        return np.float32([index, index * index]), index

    def __len__(self):
        return self.count


class Stream(io.IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        info = io.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(first, self.count, step))


class Failing(Squares):
    def __getitem__(self, index):
        if index == 5:
            raise KeyError("sample 5 is broken")
        return index


def labels(loader):
    return [batch[1].tolist() for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_tensors_in_order(workers):
    loader = io.DataLoader(Squares(), batch_size=4, num_workers=workers)
    first, *_ = loader
    assert isinstance(first[0], paddle.Tensor)
    assert (first[0].shape, first[0].dtype) == ([4, 2], paddle.float32)
    assert first[1].dtype == paddle.int64
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


def test_drop_last_and_a_batch_sampler():
    assert labels(io.DataLoader(Squares(), batch_size=4, drop_last=True)) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
    sampler = io.BatchSampler(sampler=io.SubsetRandomSampler([3]), batch_size=2)
    assert labels(io.DataLoader(Squares(), batch_sampler=sampler)) == [[3]]


def test_shuffling_follows_the_seed_and_differs_between_epochs():
    def epochs():
        paddle.seed(5)
        loader = io.DataLoader(Squares(50), batch_size=50, shuffle=True)
        return labels(loader) + labels(loader)

    first, second = epochs()
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert epochs() == [first, second]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_ends_by_itself(workers):
    loader = io.DataLoader(Stream(7), batch_size=3, num_workers=workers)
    found = [batch.tolist() for batch in loader]
    assert sorted(index for batch in found for index in batch) == list(range(7))
    if not workers:
        assert found == [[0, 1, 2], [3, 4, 5], [6]]
    with pytest.raises(TypeError):
        len(loader)


def test_samples_one_by_one():
    assert [x.tolist() for x, _ in io.DataLoader(Squares(2), batch_size=None)] == [[0, 0], [1, 1]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_dataset_is_the_callers(workers):
    with pytest.raises(KeyError, match="sample 5 is broken"):
        list(io.DataLoader(Failing(), batch_size=2, num_workers=workers))


def test_nested_samples_are_stacked_field_by_field():
    batch = io.default_collate_fn([{"a": 1, "b": [1.5, "x"]}, {"a": 2, "b": [2.5, "y"]}])
    assert batch["a"].tolist() == [1, 2]
    assert batch["b"][0].tolist() == [1.5, 2.5]
    assert batch["b"][1] == ["x", "y"]
    with pytest.raises(TypeError, match="collate_fn"):
        io.default_collate_fn([object()])


def test_datasets_combine():
    rows = io.TensorDataset([np.arange(4), np.arange(4) * 10])
    assert rows[2] == (2, 20)
    both = io.ConcatDataset([rows, io.Subset(rows, [3])])
    assert (len(both), both[4], both[-1]) == (5, (3, 30), (3, 30))
    assert io.ComposeDataset([rows, rows])[1] == (1, 10, 1, 10)
    assert list(io.ChainDataset([Stream(2), Stream(1)])) == [0, 1, 0]
    first, second = io.random_split(rows, [3, 1])
    assert sorted([first[i][0] for i in range(3)] + [second[0][0]]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="add up"):
        io.random_split(rows, [3, 2])


def test_samplers():
    assert list(io.SequenceSampler(Squares(3))) == [0, 1, 2]
    assert len(list(io.RandomSampler(Squares(3), replacement=True, num_samples=8))) == 8
    assert set(io.WeightedRandomSampler([0.0, 1.0], 5)) == {1}
    with pytest.raises(ValueError, match="batch_size"):
        io.BatchSampler(Squares(3), batch_size=0)


def test_a_worker_that_dies_is_named_with_its_exit_code():
    class Dying(Squares):
        def __getitem__(self, index):
            os._exit(3)

    with pytest.raises(RuntimeError, match=r"worker \d ended .* exit code 3 .* num_workers=0"):
        list(io.DataLoader(Dying(40), batch_size=2, num_workers=2))


@pytest.mark.parametrize("make", [np.ones, paddle.ones])
def test_samples_of_several_shapes_are_named(make):
    with pytest.raises(ValueError, match=r"one shape, got \[3\] in sample 0 and \[4\] in sample 2"):
        io.default_collate_fn([make([3]), make([3]), make([4])])
