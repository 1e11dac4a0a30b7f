"""The high-level API: `paddle.Model`, its callbacks, and `paddle.summary`."""

from . import callbacks
from .model import Model
from .summary import summary

__all__ = ["Model", "callbacks", "summary"]
