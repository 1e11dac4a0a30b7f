"""The data and the network of the demo: scikit-learn's 8x8 handwritten digits and a small LeNet."""

import numpy as np
from sklearn.datasets import load_digits

import wherry as paddle
from wherry import nn
from wherry.jit import to_static


class Digits(paddle.io.Dataset):
    """Images float32 [1, 8, 8] in [0, 1] and labels int64; a fixed fifth is held back."""

    def __init__(self, mode: str = "train") -> None:
        images, labels = load_digits(return_X_y=True)
        order = np.random.RandomState(0).permutation(len(images))
        held_back = len(images) // 5
        chosen = order[held_back:] if mode == "train" else order[:held_back]
        self.images = (images[chosen] / 16).astype("float32").reshape(-1, 1, 8, 8)
        self.labels = labels[chosen].astype("int64")

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[index], self.labels[index]

    def __len__(self) -> int:
        return len(self.images)


class LeNet(nn.Layer):
    """Two convolutions with batch norm, two linear layers: [N, 1, 8, 8] to scores [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2D(1, 16, 3, padding=1, bias_attr=False),
            nn.BatchNorm2D(16),
            nn.ReLU(),
            nn.MaxPool2D(2, 2),
            nn.Conv2D(16, 32, 3, padding=1, bias_attr=False),
            nn.BatchNorm2D(32),
            nn.ReLU(),
            nn.MaxPool2D(2, 2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(64, 10),
        )

    @to_static
    def forward(self, image):
        return self.classifier(self.features(image))


class DynamicLeNet(LeNet):
    """The same network without `to_static`: the tape of dynamic mode runs it op by op."""

    def forward(self, image):
        return self.classifier(self.features(image))
