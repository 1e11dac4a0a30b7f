"""Reads the assembly of compiled Programs: which loops there are, and what they do.

A loop spills where it writes to a fixed place in the frame of its function: there are more values
at a time than registers. What it only reads there are numbers that it needs in every round, more of
them than registers; they come from memory in any case, from the stack or from beside the code.
Telling LLVM to take them from there (`-sink-insts-to-avoid-spills`) made the loops of tanh, log and
log_softmax a fifth slower on AVX2, as fewer of them stay in registers. Places that are found by an
index are buffers.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from unittest import mock

from wherry.codegen import Target, compile_program
from wherry.codegen.target import emit_here
from wherry.ir.program import Program

_COMMENT = re.compile(r"//|(?:^|\s)#(?:\s|$|(?:NO_)?APP)")  # "#16" is a number
_LABEL = re.compile(r"^([.\w$]+):")
_JUMP = re.compile(r"^\s+(?:j\w+|b(?:\.\w+)?|cbn?z\s+\w+,|tbn?z\s+\w+, #\d+,)\s+(\.L\w+)")
_VECTOR = re.compile(r"%(zmm|ymm|xmm)\d+|\b(v)\d+(\.\d+[bhsd])\b|\b[qd]\d+\b")
_WHOLE = {
    64: re.compile(r"%zmm"),
    32: re.compile(r"%ymm"),
    16: re.compile(r"%xmm|\bv\d+\.(?:16b|8h|4s|2d)\b|\bq\d+\b"),
}
_SINGLE = re.compile(r"^\s+v?(?:\w+s[sd]\w*|mov[dq]|cvt\w*s[isd]\w*)\s")
# Fixed places in the frame, and how a function sets up the second kind. Where a register is added
# it is a buffer.
_STACK = re.compile(r"\(%rsp\)|\[sp(?:, #-?\d+)?\]!?")
_FRAME = re.compile(r"\(%rbp\)|\[x29(?:, #-?\d+)?\]")
_FRAMED = re.compile(r"^\s+(?:movq\s+%rsp, %rbp|(?:mov|add)\s+x29, sp)")
_WRITES = re.compile(r"^\s+(?:st[rpu]|v?mov\w*\s.*\)\s*$|\w+\s+[^,(]*,\s*-?\d*\(%r[sb]p\)\s*$)")
_COMPARES = re.compile(r"^\s+v?(?:cmp|test|u?comis)\w*\s")
_MULTIPLY_ADD = re.compile(r"^\s+v?fn?m(?:add|sub|la|ls)\w*\s")
_MULTIPLY = re.compile(r"^\s+v?f?mul(?:p[sd])?\s")
_ADD = re.compile(r"^\s+v?f?add(?:p[sd])?\s")


def assembly_of(program: Program, level: str, *, inference: bool = False) -> str:
    """The assembly that a target's code generator gives for a Program; all are in this process."""
    shown = io.StringIO()
    with (
        mock.patch.dict(os.environ, WHERRY_DEBUG="4"),
        mock.patch("wherry.codegen.cross.emit_across", emit_here),
        redirect_stderr(shown),
    ):
        compile_program(program, target=Target.named(level), inference=inference)
    return shown.getvalue()


@dataclass(frozen=True)
class Loop:
    """The instructions of a loop that holds no other one."""

    function: str
    lines: tuple[str, ...]
    framed: bool = False  # a register holds the place of the frame

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

    def whole(self, size: int) -> int:
        """How many instructions work on whole vectors of so many bytes."""
        fits = (_WHOLE[size].search(line) and not _SINGLE.match(line) for line in self.lines)
        return sum(map(bool, fits))

    @property
    def calls(self) -> list[str]:
        return [line for line in self.lines if "call" in line or "\tbl\t" in line]

    @property
    def on_stack(self) -> list[str]:
        """Instructions that read or write a fixed place in the frame."""
        return [
            line
            for line in self.lines
            if _STACK.search(line) or (self.framed and _FRAME.search(line))
        ]

    @property
    def spills(self) -> list[str]:
        """Those that write."""
        return [one for one in self.on_stack if _WRITES.match(one) and not _COMPARES.match(one)]


def innermost_loops(text: str) -> list[Loop]:
    """All loops without a loop inside."""
    return [loop for name, lines in _functions(text) for loop in _loops(name, lines)]


def hottest(text: str, size: int = 16) -> Loop:
    """The innermost loop that multiplies most at a time, else the one of most whole vectors."""
    return max(innermost_loops(text), key=lambda loop: (loop.multiply_adds, loop.whole(size)))


def hot(text: str, size: int = 16) -> list[Loop]:
    """The hottest loop, and those that multiply half as much in a round: tiles of other sizes.

    A way back into a loop that has a call is that of far arguments, which are rare.
    """
    most = hottest(text, size)
    half = max(most.multiply_adds / 2, 1)
    others = (loop for loop in innermost_loops(text) if not loop.calls)
    return [most, *(loop for loop in others if loop.multiply_adds >= half)]


def _functions(text: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in text.splitlines():
        label = _LABEL.match(line)
        if label and not label[1].startswith("."):
            yield name, lines
            name, lines = label[1], []
        lines.append(_COMMENT.split(line)[0])
    yield name, lines


def _loops(name: str, lines: list[str]) -> Iterator[Loop]:
    labels: dict[str, int] = {}
    spans = []
    framed = any(map(_FRAMED.match, lines))
    for place, line in enumerate(lines):
        if label := _LABEL.match(line):
            labels[label[1]] = place
        elif (jump := _JUMP.match(line)) and jump[1] in labels:
            spans.append((labels[jump[1]], place))
    for first, last in spans:
        inner = any(first <= a and b <= last and (a, b) != (first, last) for a, b in spans)
        if not inner:
            inside = (line for line in lines[first : last + 1] if line[:1] == "\t" and line.strip())
            yield Loop(name, tuple(inside), framed)
