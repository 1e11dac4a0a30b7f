"""Datasets of images read files that are there, and say what to do where there are none."""

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

import wherry as paddle
from wherry.vision import datasets, transforms


@pytest.fixture
def digits(tmp_path):
    """Three images and their labels in the IDX format."""
    images = np.random.RandomState(0).randint(0, 256, (3, 28, 28)).astype("uint8")
    paths = tmp_path / "images.gz", tmp_path / "labels"
    with gzip.open(paths[0], "wb") as file:
        file.write(struct.pack(">4I", 2051, 3, 28, 28) + images.tobytes())
    paths[1].write_bytes(struct.pack(">2I", 2049, 3) + bytes([5, 0, 4]))
    return images, *map(str, paths)


def test_mnist_reads_its_two_files(digits):
    images, *paths = digits
    data = datasets.MNIST(*paths, backend="cv2")
    assert len(data) == 3
    image, label = data[1]
    assert image.dtype == np.float32 and np.array_equal(image, images[1])
    assert label.tolist() == [0] and label.dtype == np.int64
    assert np.array_equal(np.array(datasets.MNIST(*paths, mode="test")[2][0]), images[2])


def test_mnist_goes_through_a_loader(digits):
    _, *paths = digits
    data = datasets.MNIST(*paths, transform=transforms.ToTensor())
    x, y = next(iter(paddle.io.DataLoader(data, batch_size=3)))
    assert x.shape == [3, 1, 28, 28] and y.tolist() == [[5], [0], [4]]
    assert float(x.max()) <= 1.0


def test_a_file_of_something_else_is_refused(digits):
    _, images, labels = digits
    with pytest.raises(ValueError, match="no IDX file of 3 dims"):
        datasets.MNIST(labels, images)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "Cifar10", "Cifar100"])
def test_what_is_not_there_is_not_downloaded(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{name}: .*downloads nothing; fetch it"):
        getattr(datasets, name)()


def _cifar(path, label, members, content=None):
    rng = np.random.RandomState(0)
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            batch = {b"data": rng.randint(0, 256, (2, 3072)).astype("uint8"), label: [1, 2]}
            raw = pickle.dumps(batch if content is None else content, protocol=2)
            info = tarfile.TarInfo(f"batches/{member}")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return str(path)


def test_cifar_reads_its_archive(tmp_path):
    path = _cifar(tmp_path / "c.tar.gz", b"labels", ["data_batch_1", "data_batch_2", "test_batch"])
    data = datasets.Cifar10(path, backend="cv2")
    assert len(data) == 4 and len(datasets.Cifar10(path, "test")) == 2
    image, label = data[3]
    first = np.random.RandomState(0).randint(0, 256, (2, 3072))
    assert image.shape == (32, 32, 3) and label == 2
    assert data[0][0][0, 1].tolist() == [first[0, 1], first[0, 1025], first[0, 2049]]
    hundred = _cifar(tmp_path / "d.tar.gz", b"fine_labels", ["train", "test"])
    assert len(datasets.Cifar100(hundred)) == 2


def test_an_archive_runs_no_code(tmp_path):
    path = _cifar(tmp_path / "c.tar.gz", b"labels", ["data_batch_1"], content=io.StringIO("x"))
    with pytest.raises(ValueError, match=r"runs no code of a file"):
        datasets.Cifar10(path)


def test_folders_are_classes(tmp_path):
    for name in "ba":
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.fromarray(np.full((2, 3, 3), i, "uint8")).save(tmp_path / name / f"{i}.png")
        (tmp_path / name / "notes.txt").write_text("no image")
    data = datasets.DatasetFolder(str(tmp_path))
    assert data.classes == ["a", "b"] and data.targets == [0, 0, 1, 1]
    image, target = data[3]
    assert np.array(image).max() == 1 and target == 1
    flat = datasets.ImageFolder(str(tmp_path), transform=transforms.ToTensor())
    assert len(flat) == 4 and flat[0][0].shape == [3, 2, 3]
    with pytest.raises(RuntimeError, match="Found 0 files"):
        datasets.ImageFolder(str(tmp_path), extensions=[".bmp"])
