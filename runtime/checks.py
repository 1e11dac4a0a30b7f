"""Do the arrays of a call fit a Signature? One place says what was needed and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import numpy as np

from wherry.schema.errors import InputError
from wherry.schema.native import Signature, TensorSpec

from .address import address_of

Array = np.ndarray[Any, Any]
# The flags of an array that is C-contiguous and aligned, as native code takes it.
READY: Final = 0x101


def check_inputs(
    signature: Signature, arrays: Sequence[Array], persistables: Sequence[Array] = ()
) -> list[int]:
    """The values of the symbols, in the order of `signature.symbols`.

    Raises InputError, naming the input, for a wrong count, type, dtype, rank or size, and where one
    symbol would have two values.
    """
    check_count(signature, arrays[: len(arrays) - len(signature.hidden)])
    seen: dict[str, tuple[int, str, int]] = {}
    for spec, array in zip(signature.inputs, arrays, strict=True):
        _check_one(spec, array)
        _collect(spec, array, seen)
    for spec, array in zip(signature.persistables, persistables, strict=False):
        _collect(spec, array, seen)
    return [seen[name][0] for name, _, _ in signature.symbols]


def check_count(signature: Signature, arrays: Sequence[Array]) -> None:
    """Raise InputError unless there is one array for each of the user's inputs."""
    wanted = signature.shown_inputs
    if len(arrays) != len(wanted):
        names = ", ".join(spec.name for spec in wanted) or "none"
        raise InputError(
            f"{signature.name} needs {len(wanted)} input(s), {names}; got {len(arrays)}"
        )


def by_name(signature: Signature, given: Mapping[str, Any]) -> list[Any]:
    """The values in the order of the inputs. Raises InputError for missing and unknown names."""
    names = [spec.name for spec in signature.shown_inputs]
    unknown = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unknown:
        raise InputError(
            f"{signature.name} has no input {_quoted(unknown)}; it has {_quoted(names)}"
        )
    if missing:
        raise InputError(
            f"{signature.name} needs input {_quoted(missing)}, which is missing; "
            f"got {_quoted(list(given))}"
        )
    return [given[name] for name in names]


def persistable_table(
    signature: Signature, arrays: Sequence[Array]
) -> tuple[list[int], list[tuple[int, Array]]]:
    """The addresses of the persistables, and which of them must be copied at each call."""
    if len(arrays) != len(signature.persistables):
        needed = len(signature.persistables)
        raise InputError(f"{signature.name} needs {needed} persistables, got {len(arrays)}")
    loose = []
    for i, (spec, array) in enumerate(zip(signature.persistables, arrays, strict=True)):
        _check_one(spec, array)
        if array.flags.num & READY != READY:
            loose.append((i, array))
    return [address_of(array) for array in arrays], loose


def show_values(signature: Signature, values: Sequence[int]) -> str:
    """The symbols' values as messages show them: ` (B = 3, T = 5)`, with where each was read."""
    if not values:
        return ""
    rows = zip(signature.symbols, values, strict=True)
    specs = [*signature.inputs, *signature.persistables]
    shown = (f"size {axis} of {specs[i].name} is {value}" for (_, i, axis), value in rows)
    return f" ({', '.join(shown)})"


def _check_one(spec: TensorSpec, array: Array) -> None:
    if not isinstance(array, np.ndarray):
        _refuse(spec, "a numpy array", type(array).__name__)
    if array.dtype != spec.dtype.numpy:
        _refuse(spec, f"dtype {spec.dtype.name}", str(array.dtype))
    if array.ndim != len(spec.dims):
        _refuse(spec, f"{len(spec.dims)} dims {_shown(spec.dims)}", f"shape {_shown(array.shape)}")
    for axis, (dim, size) in enumerate(zip(spec.dims, array.shape, strict=True)):
        if isinstance(dim, int) and dim != size:
            needs = f"shape {_shown(spec.dims)}"
            _refuse(spec, needs, f"{_shown(array.shape)}: size {axis} must be {dim}, not {size}")


def _collect(spec: TensorSpec, array: Array, seen: dict[str, tuple[int, str, int]]) -> None:
    for axis, (dim, size) in enumerate(zip(spec.dims, array.shape, strict=True)):
        if isinstance(dim, str):
            value, where, at = seen.setdefault(dim, (size, spec.name, axis))
            if value != size and where == spec.name:
                raise InputError(
                    f"input {where!r} needs one size {dim} twice: {dim} is {value} in size {at} of "
                    f"{where} and {size} in size {axis} of {where}"
                )
            if value != size:
                raise InputError(
                    f"inputs {where!r} and {spec.name!r} need one size {dim}: "
                    f"{dim} is {value} in {where} and {size} in {spec.name}"
                )


def _refuse(spec: TensorSpec, needed: str, got: str) -> NoReturn:
    raise InputError(f"input {spec.name!r} needs {needed}, got {got}")


def _shown(dims: Sequence[int | str]) -> str:
    """A shape as messages show it: a size that is not known before the call is -1, as in Paddle."""
    return f"[{', '.join(str(dim) if isinstance(dim, int) else '-1' for dim in dims)}]"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
