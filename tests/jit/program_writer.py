"""Writes random small programs, from a grammar of expressions and a few kinds of statements.

Names say kinds: a, b are vectors, s, t tensors of one element, m, n ints, g a bool, o a vector or
None, d a vector that may have no value. Each feature, of which a program has some, adds names, what
defines them, and alternatives to the grammar.
"""

from __future__ import annotations

import random
import re
from typing import Final

from more_program_features import MORE_FEATURES
from program_features import FEATURES, Grammar

# What stands for <name>: one of the texts, filled in turn. What stands twice is twice as likely.
BASE: Final[Grammar] = {
    "V": ["a", "b"],
    "S": ["s", "t"],
    "N": ["m", "n"],
    "atom": ["a", "b", "x"],
    "vector": [
        "<atom> + <operand>", "<atom> - <operand>", "<atom> + <atom>",
        "(<atom> * <factor>).clip(-9, 9)", "<atom> if <condition> else <atom>",
        "paddle.maximum(<atom>, <atom>)", "(x if o is None else o)", "helper(<atom>, <small>)",
    ],
    "operand": ["1", "s", "t", "m", "n"],
    "factor": ["2", "-1", "0.5"],
    "small": ["s", "t", "m", "n", "0.5"],
    "scalar": ["s + 1", "t - 1", "a.sum()", "b.max()", "s - t", "a[0]", "t * 2", "s + m",
               "<atom>.sum()", "(s if <condition> else m)"],
    "number": ["(m + 1) % 5", "(n - 1) % 4", "m * 2 % 5", "0", "3", "(m + n) % 3",
               "(m if <condition> else n)"],
    "tensor": ["s <compare> <bound>", "t <compare> <bound>", "a.sum() <compare> <bound>",
               "b[0] <compare> <bound>", "s * t <compare> <bound>"],
    "python": ["flag", "m < 2", "n % 2 == 0", "not flag", "m != n", "o is None"],
    "compare": ["<", ">", ">="],
    "bound": ["0", "1", "2", "m", "t"],
    "either": ["<tensor>", "<tensor>", "<python>"],
    "condition": [
        *5 * ["<tensor>"], *2 * ["<python>"], "<either> and <either>", "<either> or <either>",
        "not <tensor>", "<either> and not <either> or <either>", "-2 < s <= 3", "m < s < t",
        "(w := <scalar>) > 0 and w < 4", "g",
    ],
    "simple": [
        *3 * ["<V> = <vector>"], "<V> += <operand>", "<V> *= <factor>", *2 * ["<S> = <scalar>"],
        "<S> = <scalar> % 5", "<S> -= 1", "<N> = <number>", "n += 1", "o = None", "o = <vector>",
        "a, b = b, a", "flag = not flag", "flag = m > 1", "g = <tensor>", "g = not g",
    ],
    "range": ["0", "1", "2", "3", "m", "(x > 0).sum()", "int(x.max())", "1, 3", "2, -1, -1"],
    "loop": [*4 * ["<i> in range(<range>)"], "<i> in <atom>", "k, <i> in enumerate(<atom>)",
             "<i>, k in zip(<atom>, <atom>)", "<i> in [s, 1]", "k, <i> in enumerate([2, t])"],
    "start": ["0", "0", "paddle.to_tensor(0)", "paddle.to_tensor(0.0)"],
    "result": ["a, b, s, m", "a, t, n", "a + b", "s, o", "[a, flag]", "m", "(a, (s, m)), n", "g, b",
               "x"],
    "last": ["<result>"],
    "error": ["ValueError", "KeyError", "IndexError"],
    "caught": ["ValueError", "ValueError", "<error> as e", "(<error>, <error>)", "LookupError",
               "Exception"],
}  # fmt: skip


HELPERS: Final = [
    "if v.sum() > w:\n    return v - w\nreturn v + 1",
    "for k in range(3):\n    if v.sum() > w:\n        return v - k\n    v = v + 1\nreturn v",
    "k = 0\nwhile v.sum() < w:\n    v, k = v + 1, k + 1\n    if k > 2:\n        break\n"
    "else:\n    return v * 2\nreturn v",
    "if v is x:\n    return v\nif v.sum() < w or v.max() > 2:\n    v = v + 0.5\nreturn v",
]

BOX: Final = """class Box:
    def __init__(self, v):
        self.v, self.k = v, 0
    def grown(self, w):
        if w.sum() > self.k:
            self.v = self.v + w
            self.k += 1
            return self.v
        return w
"""


class Writer:
    """Writes one program: a function f(x), which `source()` returns as a text."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.budget = rng.randint(3, 9)
        self.loops = self.tries = 0
        self.grammar = {name: list(texts) for name, texts in BASE.items()}
        self.features = rng.sample([*FEATURES, *MORE_FEATURES], rng.randint(1, 3))
        for feature in self.features:
            for name, texts in feature.grammar.items():
                self.grammar[name] += texts

    def source(self) -> str:
        """The text of the program."""
        flag, m = self.rng.random() < 0.5, self.rng.randint(0, 3)
        self.line(0, "def f(x):")
        self.line(1, f"flag, m, n, o = {flag}, {m}, 1, None")
        self.line(1, "a, b, s, t = x, x * 2 - 1, x.sum(), x.max()")
        self.line(1, "g = s > 0")
        self.line(1, "def helper(v, w):")
        for text in self.rng.choice(HELPERS).splitlines():
            self.line(2, text)
        for feature in self.features:
            for text in feature.lines:
                self.line(1, self.fill(text))
        self.block(1, in_loop=False, at_least=2)
        self.line(1, self.fill("return <last>"))
        return BOX + "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines += ["    " * depth + line for line in text.splitlines()]

    def fill(self, text: str) -> str:
        """Replace each <name> by one of its alternatives."""
        return re.sub(r"<(\w+)>", lambda found: self.fill(self.one(found[1])), text)

    def one(self, name: str) -> str:
        return f"i{self.loops}" if name == "i" else self.rng.choice(self.grammar[name])

    def block(self, depth: int, in_loop: bool, at_least: int = 1) -> None:
        for number in range(self.rng.randint(at_least, 3)):
            self.budget -= 1
            if self.budget < 0 and number:
                return
            self.statement(depth, in_loop)

    def statement(self, depth: int, in_loop: bool) -> None:
        roll = self.rng.random()
        if in_loop and roll < 0.12:
            self.line(depth, self.fill("if <condition>:"))
            self.line(depth + 1, self.rng.choice(["break", "continue"]))
        elif roll < 0.17 and depth > 1:
            self.line(depth, self.fill("if <condition>:"))
            self.line(depth + 1, self.fill("return <result>"))
        elif self.tries and roll < 0.3:
            self.line(depth, self.fill("if <condition>: raise <error>('e')"))
        elif self.budget > 0 and depth < 4 and roll < 0.67:
            self.compound(depth, in_loop, roll)
        else:
            self.line(depth, self.fill("<simple>"))

    def compound(self, depth: int, in_loop: bool, roll: float) -> None:
        if roll < 0.42:
            self.branch(depth, in_loop)
        elif roll < 0.52:
            self.while_loop(depth)
        elif roll < 0.61:
            self.for_loop(depth)
        else:
            self.attempt(depth, in_loop)

    def attempt(self, depth: int, in_loop: bool) -> None:
        self.line(depth, "try:")
        self.tries += 1
        self.block(depth + 1, in_loop, at_least=2)
        self.tries -= 1
        caught = self.rng.random() < 0.75
        if caught:
            self.clauses(depth, in_loop)
        if not caught or self.rng.random() < 0.3:
            self.line(depth, "finally:")
            self.line(depth + 1, self.fill("<simple>"))

    def clauses(self, depth: int, in_loop: bool) -> None:
        for _ in range(self.rng.choice([1, 1, 2])):
            self.line(depth, self.fill("except <caught>:"))
            self.block(depth + 1, in_loop)
            if self.rng.random() < 0.15:
                self.line(depth + 1, "raise")
        if self.rng.random() < 0.3:
            self.line(depth, "else:")
            self.block(depth + 1, in_loop)

    def branch(self, depth: int, in_loop: bool) -> None:
        self.line(depth, self.fill("if <condition>:"))
        self.block(depth + 1, in_loop)
        if self.rng.random() < 0.3:
            self.line(depth, self.fill("elif <condition>:"))
            self.block(depth + 1, in_loop)
        if self.rng.random() < 0.6:
            self.line(depth, "else:")
            self.block(depth + 1, in_loop)

    def while_loop(self, depth: int) -> None:
        self.loops += 1
        name = f"i{self.loops}"
        more = self.rng.choice(["", "", " and (<condition>)"])
        self.line(depth, self.fill(f"{name} = <start>"))
        self.line(depth, self.fill(f"while {name} < {self.rng.randint(0, 4)}{more}:"))
        self.line(depth + 1, f"{name} = {name} + 1")
        self.body(depth)

    def for_loop(self, depth: int) -> None:
        self.loops += 1
        self.line(depth, self.fill("for <loop>:"))
        if self.rng.random() < 0.6:
            self.line(depth + 1, self.fill("<S> = (<scalar> + <i>) % 7"))
        self.body(depth)

    def body(self, depth: int) -> None:
        self.block(depth + 1, in_loop=True)
        if self.rng.random() < 0.2:
            self.line(depth, "else:")
            self.block(depth + 1, in_loop=False)
