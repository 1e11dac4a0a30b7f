"""Optimizers and learning rate schedulers (`paddle.optimizer`)."""

from . import lr
from .more_rules import Adadelta, Adamax, Lamb
from .optimizer import Optimizer
from .rules import SGD, Adagrad, Adam, AdamW, Momentum, RMSProp

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lamb", "Momentum", "Optimizer",
    "RMSProp",
    "lr",
]  # fmt: skip
