"""Descriptions of inputs for `to_static` and `jit.save` (`paddle.static`)."""

from .input_spec import InputSpec

__all__ = ["InputSpec"]
