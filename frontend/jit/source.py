"""The converted twins of functions: made once per code object, and recognized.

The conversion itself is `rewrite`, which needs gast and is imported when the first function is
converted: loading a saved model needs it not.
"""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from wherry.schema.errors import CompilerMissingError

from .logging import show_conversion

_cache: dict[int, tuple[types.CodeType, types.CodeType | None]] = {}
_made: dict[int, types.CodeType] = {}
# The generators of each file of which a tensor decides what they yield.
_pushed: dict[str, set[tuple[int, int]]] = {}
_parts: set[int] = set()


def is_converted(function: Callable[..., Any]) -> bool:
    """Whether this function came out of a conversion (also: was defined inside of one)."""
    return is_converted_code(getattr(function, "__code__", None))


def is_converted_code(code: types.CodeType | None) -> bool:
    """Whether this code object is a part of a conversion."""
    return id(code) in _made


def is_part(code: types.CodeType) -> bool:
    """Whether a transformer made it of a part of the user's function."""
    return id(code) in _parts


def convert_function(function: types.FunctionType) -> types.FunctionType | None:
    """The converted twin; None for what is no plain function or has no source (REPL, exec)."""
    if is_converted(function):
        return function
    converted = conversion_of(function)
    if converted is None:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    from . import convert

    cells["_jst"] = types.CellType(convert)
    closure = tuple(cells[name] for name in converted.co_freevars)
    twin = types.FunctionType(
        converted, function.__globals__, function.__name__, function.__defaults__, closure
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__
    twin.__dict__.update(function.__dict__)
    return twin


def converted_text(function: types.FunctionType) -> str | None:
    """The text of the conversion; None for what has no source."""
    if conversion_of(function) is None:
        return None
    from .rewrite import text_of

    return text_of(function, _pushed.get(function.__code__.co_filename, ()))


def conversion_of(function: types.FunctionType) -> types.CodeType | None:
    """The code of the conversion, made once per code object."""
    code = function.__code__
    if id(code) not in _cache:
        _cache[id(code)] = code, _convert(function)
    return _cache[id(code)][1]


def _convert(function: types.FunctionType) -> types.CodeType | None:
    skipped = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    if function.__code__.co_flags & skipped:
        return None
    try:
        from .rewrite import rewrite, text_of
    except ImportError as error:
        raise CompilerMissingError(
            "to_static needs gast, which is not installed: pip install 'wherry[compile]'"
        ) from error
    pushed = _pushed.get(function.__code__.co_filename, ())
    code = rewrite(function, pushed)
    if code is None:
        return None
    _register(code)
    show_conversion(function, lambda: text_of(function, pushed))
    return code


def push_generator(filename: str, place: tuple[int, int]) -> bool:
    """Convert the generator there in its other form from now on; False if that was done before."""
    known = _pushed.setdefault(filename, set())
    for key in [key for key, (code, _) in _cache.items() if code.co_filename == filename]:
        del _cache[key]
    is_new = place not in known
    known.add(place)
    return is_new


def _register(code: types.CodeType, whole: types.CodeType | None = None) -> None:
    _made[id(code)] = code
    # Parts have the name of the function; expressions are functions without a name.
    if whole is not None and (
        code.co_qualname == whole.co_qualname
        or (code.co_name == "<lambda>" and not code.co_argcount)
    ):
        _parts.add(id(code))
    for const in code.co_consts:
        # The body of a class is not optimised; its methods were not converted.
        if isinstance(const, types.CodeType) and const.co_flags & inspect.CO_OPTIMIZED:
            _register(const, whole or code)


def _folder(package: str) -> str:
    """Where a package lies, without importing it: the compiler's may not be installed."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return os.path.dirname(os.path.abspath(spec.origin)) + os.sep


# In a checkout they lie beside each other, and not in the folder of wherry itself.
_PARTS = ("ir", "schema", "runtime", "codegen")
_ROOTS = (_folder("wherry"), *(_folder(f"wherry.{part}") for part in _PARTS))


def is_library_file(filename: str) -> bool:
    """Whether the file is one of wherry's own."""
    return filename.startswith(_ROOTS)
