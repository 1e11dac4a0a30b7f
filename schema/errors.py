"""Every exception that wherry raises of its own. All rooms of the house may import this module.

WherryError
├── ModelFormatError (ValueError)        a model file is damaged, altered or of another version
├── OpError (ValueError)                 an op got what it cannot take; names op, need, got, line
│   └── OpTypeError (TypeError)          ... and what it cannot take is a dtype
├── InputError (ValueError)              a call of a compiled or loaded model does not fit it
├── RunError (RuntimeError)              compiled code met an error in the data (index, division)
│   ├── AssertError (AssertionError)     ... the error is an `assert` of a tensor that is false
│   └── ResizeError                      ... a hidden input has another size than the code needs
├── UnknownOpError (NotImplementedError) an op that nobody declared
├── VerifyError (AssertionError)         invalid IR: a bug of wherry's, never the user's
├── TargetError (RuntimeError)           native code that this machine cannot build or run
├── CompilerMissingError (ImportError)   the compiler was called without `wherry[compile]`
└── ConversionError (RuntimeError)       to_static cannot convert this piece of Python
"""

from __future__ import annotations

import builtins
import functools
from typing import NamedTuple


class Loc(NamedTuple):
    """Where in the user's code something came from: a relative file, a line, its text."""

    file: str
    line: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f": {self.text}" if self.text else "")


class WherryError(Exception):
    """The root of what wherry raises. `loc` is the user's line, where it is known."""

    loc: Loc | None = None


class ModelFormatError(WherryError, ValueError):
    """A model file cannot be read: says the file, the byte offset and what was expected there."""


class OpError(WherryError, ValueError):
    """An op cannot take its arguments.

    The message reads `op needs X, got Y`, then the user's line and the layer where they are known.
    """

    # The layer of a net that the op is a part of, as in `Sequential.2: Linear(...)`.
    inside = ""

    def __init__(self, message: str, op: str = "", loc: Loc | None = None) -> None:
        self.message, self.op, self.loc = message, op, loc
        super().__init__(message, op, loc)

    def __str__(self) -> str:
        return self.told() + (f"\n  in {self.inside}" if self.inside else "")

    def told(self) -> str:
        """The message and the line, without the layer."""
        head = f"(InvalidArgument) {self.op} {self.message}" if self.op else self.message
        return head + (f"\n  at {self.loc}" if self.loc else "")


class OpTypeError(OpError, TypeError):
    """An op cannot take the dtype of an argument."""


class InputError(WherryError, ValueError):
    """The arguments of a call do not fit the signature of the model that is called."""


class RunError(WherryError, RuntimeError):
    """Compiled code stopped at an error in the data, such as an index out of range."""


class AssertError(RunError, AssertionError):
    """An `assert` in compiled code, of a tensor that is false."""


@functools.cache
def error_named(name: str) -> type[RunError]:
    """The RunError for an exception that compiled code raises: it is one of that builtin kind too.

    An exception that is no builtin has no class where a compiled model runs: it is a RunError.
    """
    if name == "ResizeError":
        return ResizeError
    kind = getattr(builtins, name, None)
    if name == "AssertionError" or not isinstance(kind, type) or not issubclass(kind, Exception):
        return AssertError if name == "AssertionError" else type(name, (RunError,), {})
    try:
        return type(name, (RunError, kind), {"__str__": Exception.__str__})
    except TypeError:  # an exception whose objects look different inside, such as OSError
        return type(name, (RunError,), {})


class ResizeError(RunError):
    """Compiled code found the guess for the size of the input `size` wrong: it must be `value`."""

    value = 0

    @property
    def size(self) -> str:
        return str(self.args[0]).partition("\n")[0]


class UnknownOpError(WherryError, NotImplementedError):
    """An op type without a declaration."""


class VerifyError(WherryError, AssertionError):
    """A Program breaks a rule of the IR. Always a bug of wherry's."""


class TargetError(WherryError, RuntimeError):
    """Native code for another machine, or a target that cannot be compiled for."""


class CompilerMissingError(WherryError, ImportError):
    """llvmlite or gast is not installed; says the pip command."""


class ConversionError(WherryError, RuntimeError):
    """Python code that to_static does not convert; says the line and a way out."""
