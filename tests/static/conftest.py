"""Each test of static mode builds Programs of its own, and leaves dynamic mode behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import wherry as paddle


@pytest.fixture(autouse=True)
def static_mode() -> Iterator[None]:
    """Static mode with fresh default Programs, an empty scope and names from 0."""
    static = paddle.static
    paddle.seed(1)
    paddle.enable_static()
    programs = static.Program(), static.Program()
    with (
        paddle.utils.unique_name.guard(),
        static.program_guard(*programs),
        static.scope_guard(static.Scope()),
    ):
        yield
    paddle.disable_static()
