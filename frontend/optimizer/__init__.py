"""`paddle.optimizer`: update rules and learning rate schedulers."""

from . import lr
from .methods import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lamb, Momentum, RMSProp
from .optimizer import Optimizer

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lamb", "Momentum", "Optimizer",
    "RMSProp",
    "lr",
]  # fmt: skip
