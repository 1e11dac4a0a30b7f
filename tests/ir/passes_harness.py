"""Runs a pass on text, and writes the text of a Program around its lines."""

from wherry.ir.passes import (
    Pass,
)
from wherry.ir.text import parse_text, to_text
from wherry.ir.verify import verify


def check(one: Pass, before: str, after: str) -> None:
    """The pass turns one text into the other, says so, and has nothing to do a second time."""
    program = parse_text(before)
    verify(program)
    assert one.run(program) == (before != after)
    verify(program)
    expected = to_text(parse_text(after))
    assert to_text(program) == expected
    assert not one.run(program)
    assert to_text(program) == expected


def body(lines: str, args: str = "x: float32[N, 4], y: float32[N, 4]", result: str = "out") -> str:
    return f"program({args}) {{\n{lines}\n yield {result}\n}}"
