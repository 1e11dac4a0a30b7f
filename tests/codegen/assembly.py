"""Reads the assembly of compiled Programs: which loops there are, and what they do."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from unittest import mock

from wherry.codegen import Target, compile_program
from wherry.ir.program import Program

_LABEL = re.compile(r"^([.\w$]+):")
_JUMP = re.compile(r"^\s+(?:j\w+|b(?:\.\w+)?|cbn?z\s+\w+,|tbn?z\s+\w+, #\d+,)\s+(\.L\w+)")
_VECTOR = re.compile(r"%(zmm|ymm|xmm)\d+|\b(v)\d+(\.\d+[bhsd])\b|\b[qd]\d+\b")
# A fixed place on the stack; where a register is added it is a buffer.
_STACK = re.compile(r"\(%rsp\)|\[sp(?:, #-?\d+)?\]")
_MULTIPLY_ADD = re.compile(r"^\s+v?fn?m(?:add|sub|la|ls)\w*\s")
_MULTIPLY = re.compile(r"^\s+v?f?mul(?:p[sd])?\s")
_ADD = re.compile(r"^\s+v?f?add(?:p[sd])?\s")


def assembly_of(program: Program, level: str, *, inference: bool = False) -> str:
    """The assembly that a target's code generator gives for a Program."""
    shown = io.StringIO()
    with mock.patch.dict(os.environ, WHERRY_DEBUG="4"), redirect_stderr(shown):
        compile_program(program, target=Target.named(level), inference=inference)
    return shown.getvalue()


@dataclass(frozen=True)
class Loop:
    """The instructions of a loop that holds no other one."""

    function: str
    lines: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Fused ones; where the target has none, the multiplications with an addition each."""
        fused = sum(bool(_MULTIPLY_ADD.match(line)) for line in self.lines)
        apart = [sum(bool(one.match(line)) for line in self.lines) for one in (_MULTIPLY, _ADD)]
        return fused + min(apart)

    @property
    def vectors(self) -> set[str]:
        """The kinds of vector registers that it multiplies with: zmm, ymm, xmm, or v.4s."""
        kinds = set()
        for line in self.lines:
            if _MULTIPLY_ADD.match(line) or _MULTIPLY.match(line):
                found = _VECTOR.finditer(line)
                kinds |= {m[1] or m[2] + m[3] for m in found if m[1] or m[3]}
        return kinds

    @property
    def spills(self) -> list[str]:
        """Instructions that move a vector between a register and the stack."""
        return [line for line in self.lines if _STACK.search(line) and _VECTOR.search(line)]


def innermost_loops(text: str) -> list[Loop]:
    """All loops without a loop inside."""
    return [loop for name, lines in _functions(text) for loop in _loops(name, lines)]


def hottest(text: str) -> Loop:
    """The innermost loop that multiplies most at a time."""
    return max(innermost_loops(text), key=lambda loop: loop.multiply_adds)


def _functions(text: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in text.splitlines():
        label = _LABEL.match(line)
        if label and not label[1].startswith("."):
            yield name, lines
            name, lines = label[1], []
        lines.append(line.split("#")[0].split("//")[0] if not line.startswith("#") else "")
    yield name, lines


def _loops(name: str, lines: list[str]) -> Iterator[Loop]:
    labels: dict[str, int] = {}
    spans = []
    for place, line in enumerate(lines):
        if label := _LABEL.match(line):
            labels[label[1]] = place
        elif (jump := _JUMP.match(line)) and jump[1] in labels:
            spans.append((labels[jump[1]], place))
    for first, last in spans:
        inner = any(first <= a and b <= last and (a, b) != (first, last) for a, b in spans)
        if not inner:
            yield Loop(
                name, tuple(line for line in lines[first : last + 1] if line.startswith("\t"))
            )
