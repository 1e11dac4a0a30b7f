"""A small model, saved and compiled once, for the tests that go the whole way."""

from pathlib import Path

import numpy as np
import pytest

import wherry as paddle
from wherry import nn
from wherry.aot import compile_model
from wherry.static import InputSpec


class Classifier(nn.Layer):
    """Convolution, batch norm, pooling, dropout, a linear layer: images [N, 1, 8, 8] to [N, 5]."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2D(4)
        self.pool = nn.MaxPool2D(2, 2)
        self.dropout = nn.Dropout(0.25)
        self.linear = nn.Linear(64, 5)

    def forward(self, image):
        x = self.pool(nn.functional.relu(self.norm(self.conv(image))))
        return self.linear(self.dropout(paddle.flatten(x, 1)))


class Saved:
    """A network in eval mode and the files that were made from it."""

    def __init__(self, folder: Path) -> None:
        paddle.seed(7)
        self.net = Classifier()
        self.net.eval()
        self.prefix = folder / "net"
        spec = [InputSpec([None, 1, 8, 8], "float32", "image")]
        paddle.jit.save(self.net, str(self.prefix), input_spec=spec)
        self.so = compile_model(self.prefix)

    def dynamic(self, images: np.ndarray) -> np.ndarray:
        """What the network says in dynamic mode."""
        with paddle.no_grad():
            return Classifier.forward(self.net, paddle.to_tensor(images)).numpy()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).rand(count, 1, 8, 8).astype("float32")


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return Saved(tmp_path_factory.mktemp("saved"))
