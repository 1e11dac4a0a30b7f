"""Signatures of functions made from a table, as `inspect`, `help` and editors show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any


def signature(required: Sequence[str], optional: Mapping[str, Any]) -> Signature:
    """Parameters by position or name: these without a default, then those with theirs."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    return Signature(
        [Parameter(name, kind) for name in required]
        + [Parameter(name, kind, default=value) for name, value in optional.items()]
    )
