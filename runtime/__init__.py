"""Runs models that `wherry compile` made, where there is no compiler and no source.

It needs numpy and flatbuffers, and loads nothing else of wherry.

>>> import wherry.runtime
>>> predict = wherry.runtime.load("build/digits.so")  # doctest: +SKIP
>>> predict(images)  # doctest: +SKIP
"""

if not __name__.startswith("wherry"):
    raise ImportError("import it as `wherry.runtime`; `runtime` alone would load a second copy")

from wherry.schema.errors import InputError, ModelFormatError, RunError, TargetError

from .predictor import Predictor, load
from .threads import num_threads, set_num_threads

__all__ = [
    "InputError",
    "ModelFormatError",
    "Predictor",
    "RunError",
    "TargetError",
    "load",
    "num_threads",
    "set_num_threads",
]
