"""Datasets of images, from files that are there: wherry downloads nothing."""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..io.dataset import Dataset
from ..serialization import DataUnpickler
from ..tensor import Array
from ..utils import try_import


def dataset_home() -> Path:
    """Where Paddle keeps what it downloads: ~/.cache/paddle/dataset."""
    return Path.home() / ".cache" / "paddle" / "dataset"


def _existing(given: str | None, usual: str, what: str) -> Path:
    """The file that was named, or that Paddle has downloaded; else an error with the way out."""
    path = Path(given) if given else dataset_home() / usual
    if not path.exists():
        raise FileNotFoundError(
            f"{what}: there is no file {path}, and wherry downloads nothing; fetch it and pass "
            "its path, or put it there"
        )
    return path


def _checked_mode(mode: str) -> str:
    if mode.lower() not in ("train", "test"):
        raise ValueError(f"mode should be 'train' or 'test', but got {mode}")
    return mode.lower()


def _checked_backend(backend: str | None) -> str:
    if backend not in (None, "pil", "cv2"):
        raise ValueError(f"Expected backend are one of ['pil', 'cv2'], but got {backend}")
    return backend or "pil"


def _as_image(array: Array, backend: str) -> Any:
    """What a sample is before its transform: a PIL image, or for "cv2" an array of float32."""
    if backend == "pil":
        return try_import("PIL.Image", "backend 'pil' needs Pillow: pip install pillow").fromarray(
            array
        )
    return array.astype("float32")


def _numbers(path: Path, magic: int, dims: int) -> Array:
    """The numbers of a file in the IDX format, as it is or in gzip."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        data = file.read()
    start = 4 * (1 + dims)
    if len(data) < start or data[:4] != struct.pack(">I", magic):
        raise ValueError(f"{path} is no IDX file of {dims} dims: it begins with {data[:4].hex()}")
    sizes = struct.unpack(f">{dims}I", data[4:start])
    return np.frombuffer(data, np.uint8, offset=start).reshape(sizes)


class MNIST(Dataset):
    """The images [28, 28] and labels [1] of handwritten digits, from two files in the IDX format.

    `image_path` and `label_path` name the files (.gz or not); without them they are taken from
    where Paddle keeps them. `backend` "pil" gives PIL images, "cv2" arrays.
    """

    NAME = "mnist"
    # mode -> the first part of the files' names
    PARTS = {"train": "train", "test": "t10k"}

    def __init__(
        self, image_path: str | None = None, label_path: str | None = None, mode: str = "train",
        transform: Callable[[Any], Any] | None = None, download: bool = True,
        backend: str | None = None,
    ) -> None:  # fmt: skip
        self.mode, self.transform = _checked_mode(mode), transform
        self.backend = _checked_backend(backend)
        part, what = self.PARTS[self.mode], type(self).__name__
        images = _existing(image_path, f"{self.NAME}/{part}-images-idx3-ubyte.gz", what)
        labels = _existing(label_path, f"{self.NAME}/{part}-labels-idx1-ubyte.gz", what)
        self.image_path, self.label_path = str(images), str(labels)
        self.images = _numbers(images, 2051, 3)
        self.labels = _numbers(labels, 2049, 1).astype("int64")
        if len(self.images) != len(self.labels):
            raise ValueError(
                f"{images} holds {len(self.images)} images, {labels} {len(self.labels)} labels"
            )

    def __getitem__(self, idx: int) -> Any:
        image = _as_image(self.images[idx], self.backend)
        if self.transform is not None:
            image = self.transform(image)
        return image, self.labels[idx : idx + 1] if idx >= 0 else self.labels[[idx]]

    def __len__(self) -> int:
        return len(self.labels)


class FashionMNIST(MNIST):
    """As MNIST, the images being of clothes."""

    NAME = "fashion-mnist"


class Cifar10(Dataset):
    """The images [32, 32, 3] of ten classes, from the archive cifar-10-python.tar.gz.

    `data_file` names the archive; without it it is taken from where Paddle keeps it.
    """

    FILE = "cifar/cifar-10-python.tar.gz"
    MEMBERS = {"train": "data_batch", "test": "test_batch"}
    LABELS = b"labels"

    def __init__(
        self, data_file: str | None = None, mode: str = "train",
        transform: Callable[[Any], Any] | None = None, download: bool = True,
        backend: str | None = None,
    ) -> None:  # fmt: skip
        self.mode, self.transform = _checked_mode(mode), transform
        self.backend = _checked_backend(backend)
        self.data_file = str(_existing(data_file, self.FILE, type(self).__name__))
        self.data: list[tuple[Array, int]] = []
        wanted = self.MEMBERS[self.mode]
        with tarfile.open(self.data_file) as archive:
            for member in sorted(m.name for m in archive if wanted in m.name):
                stream = archive.extractfile(member)
                assert stream is not None
                batch = DataUnpickler(stream, encoding="bytes").load()
                images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                self.data += list(zip(images, batch[self.LABELS], strict=True))

    def __getitem__(self, idx: int) -> Any:
        image, label = self.data[idx]
        image = _as_image(image, self.backend)
        if self.transform is not None:
            image = self.transform(image)
        return image, np.array(label).astype("int64")

    def __len__(self) -> int:
        return len(self.data)


class Cifar100(Cifar10):
    """The images of a hundred classes, from the archive cifar-100-python.tar.gz."""

    FILE = "cifar/cifar-100-python.tar.gz"
    MEMBERS = {"train": "train", "test": "test"}
    LABELS = b"fine_labels"


IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def _load_image(path: str) -> Any:
    image = try_import("PIL.Image", "reading images needs Pillow: pip install pillow")
    with image.open(path) as opened:
        return opened.convert("RGB")


def _files(root: str, extensions: Any, is_valid_file: Any) -> list[str]:
    found = []
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            valid = is_valid_file or (lambda p: p.lower().endswith(tuple(extensions or IMAGES)))
            if valid(path):
                found.append(path)
    return found


class _Folder(Dataset):
    """The images below `root`: files with the usual `extensions`, or those that a function wants.

    Raises RuntimeError where there are none.
    """

    def __init__(
        self, root: str, loader: Callable[[str], Any] | None = None, extensions: Any = None,
        transform: Callable[[Any], Any] | None = None, is_valid_file: Any = None,
    ) -> None:  # fmt: skip
        self.root, self.transform, self.extensions = root, transform, extensions
        self.loader = loader or _load_image
        self.samples = self._found(is_valid_file)
        if not self.samples:
            raise RuntimeError(f"Found 0 files in subfolders of: {root}")

    def _found(self, is_valid_file: Any) -> list[Any]:
        """The samples, in order."""
        raise NotImplementedError

    def _loaded(self, path: str) -> Any:
        sample = self.loader(path)
        return sample if self.transform is None else self.transform(sample)

    def __len__(self) -> int:
        return len(self.samples)


class DatasetFolder(_Folder):
    """The images in the folders of `root`, each folder a class: (image, number of its class)."""

    def _found(self, is_valid_file: Any) -> list[Any]:
        self.classes = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        found = [
            (path, i)
            for name, i in self.class_to_idx.items()
            for path in _files(os.path.join(self.root, name), self.extensions, is_valid_file)
        ]
        self.targets = [i for _, i in found]
        return found

    def __getitem__(self, index: int) -> Any:
        path, target = self.samples[index]
        return self._loaded(path), target


class ImageFolder(_Folder):
    """All images below `root`, without labels: [image]."""

    def _found(self, is_valid_file: Any) -> list[Any]:
        return _files(self.root, self.extensions, is_valid_file)

    def __getitem__(self, index: int) -> Any:
        return [self._loaded(self.samples[index])]


__all__ = ["MNIST", "Cifar10", "Cifar100", "DatasetFolder", "FashionMNIST", "ImageFolder"]
