"""The functions of `paddle.*` on Tensors, by family. Importing it gives Tensor its methods."""

from .methods import attach_methods

__all__ = ["attach_methods"]
