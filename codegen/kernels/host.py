"""Ops that compiled code leaves to its caller (`schema/host.py`), which `run` calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.schema.host import HOST

from .registry import lowers

if TYPE_CHECKING:
    from ..builder import KernelBuilder


@lowers(*HOST)
def host(kb: KernelBuilder) -> None:
    raise AssertionError(f"{kb.op.type} has no kernel")
