"""The exceptions for what native code reports: which op, what went wrong, the user's line."""

from __future__ import annotations

from typing import Final, TypeVar

from wherry.schema.errors import (
    AssertError,
    InputError,
    Loc,
    ResizeError,
    RunError,
    WherryError,
    error_named,
)
from wherry.schema.native import Signature

from . import abi

Error = TypeVar("Error", bound=WherryError)

_KINDS: Final[dict[int, type[WherryError]]] = {
    abi.ERROR_ASSERT: AssertError, abi.ERROR_SIZE: InputError
}  # fmt: skip


def error_at(kind: type[Error], text: str, loc: Loc | None) -> Error:
    """An error that shows the user's line."""
    line = f"\n  at {loc}" if loc else ""
    error = kind(f"{text}{line}")
    error.loc = loc
    return error


def run_error(signature: Signature, ctx: abi.Ctx, code: int) -> WherryError:
    """The exception for an error record, with the op and the user's line."""
    sites, at = signature.sites, int(ctx.error_site)
    site = sites[at] if 0 <= at < len(sites) else None
    index, value = int(ctx.error_index), int(ctx.error_value)
    says = {
        abi.ERROR_INDEX: f"index {value} is out of range, at element {index} of the indices",
        abi.ERROR_DIVISION: f"integer division by zero, at element {index}",
        abi.ERROR_ASSERT: (site.message if site else "") or "assert failed",
        abi.ERROR_MEMORY: f"out of memory: {value} bytes could not be allocated",
        abi.ERROR_SIZE: f"{site.message if site else ''} (with {index} and {value})".lstrip(),
    }.get(code, f"stopped with code {code}")
    is_told = code in (abi.ERROR_SIZE, abi.ERROR_ASSERT)
    head = f"{site.op}: " if site and site.op and not is_told else ""
    kind = _KINDS.get(code, RunError)
    if site and site.op.startswith("raise "):
        kind, head, says = error_named(site.op.removeprefix("raise ")), "", site.message
    error = error_at(kind, f"{head}{says}", site.loc if site else None)
    if isinstance(error, ResizeError):
        error.value = value
    return error
