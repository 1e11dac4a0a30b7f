"""Optimizers and learning rate schedulers (`paddle.optimizer`)."""

from . import lr
from .optimizer import Optimizer
from .rules import SGD, Adagrad, Adam, AdamW, Momentum, RMSProp

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Optimizer", "RMSProp", "lr"]
