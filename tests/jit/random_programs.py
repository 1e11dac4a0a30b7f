"""Random small programs of nested control flow, run in dynamic mode and under to_static.

    python tests/jit/random_programs.py --count 50000 --seed 1 [--compiled]

Each program runs on a few inputs. What it returns, or the variable that it reads without a value,
must be the same in both modes. Program number n of a seed is the same on every machine:
`--seed 1 --first 4711 --count 1 --show` prints it and runs it alone.
"""

from __future__ import annotations

import argparse
import functools
import linecache
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

import wherry as paddle
from wherry.ir.interp import run_program
from wherry.jit import to_static
from wherry.schema.errors import ConversionError

INPUTS = ([1.0, 2.0], [-2.0, 1.0], [0.0, -3.0], [3.0, 4.0])
VECTORS, SCALARS, NUMBERS = ("a", "b"), ("s", "t"), ("m", "n")


class Writer:
    """Writes one program. Names say kinds: a, b vectors, s, t tensors of one element, m, n ints.

    `d` is a vector that may have no value, `o` a vector or None.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.budget = rng.randint(3, 9)
        self.loops = 0
        self.has_d = rng.random() < 0.3

    def program(self) -> str:
        """The source of `def f(x)`."""
        flag, m = self.rng.random() < 0.5, self.rng.randint(0, 3)
        self.lines = [
            "def f(x):", f"    flag, m, n, o = {flag}, {m}, 1, None",
            "    a, b, s, t = x, x * 2 - 1, x.sum(), x.max()", "    items = [x, m]",
            "    table = {'v': x, 'k': 0}",
            "    def helper(v, w):", "        if v.sum() > w:", "            return v - w",
            "        return v + 1",
        ]  # fmt: skip
        if self.has_d:
            self.line(1, f"if {self.condition()}:")
            self.line(2, f"d = {self.pick('x', 'a + b')}")
        self.block(1, in_loop=False, at_least=2)
        self.line(1, f"return {self.result()}")
        return "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def pick(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def block(self, depth: int, in_loop: bool, at_least: int = 1) -> None:
        count = self.rng.randint(at_least, 3)
        for number in range(count):
            self.budget -= 1
            if self.budget < 0 and number:
                return
            self.statement(depth, in_loop)

    def statement(self, depth: int, in_loop: bool) -> None:
        roll = self.rng.random()
        if in_loop and roll < 0.12:
            self.line(depth, f"if {self.condition()}:")
            self.line(depth + 1, self.pick("break", "continue"))
        elif roll < 0.17 and depth > 1:
            self.line(depth, f"if {self.condition()}:")
            self.line(depth + 1, f"return {self.result()}")
        elif self.budget > 0 and depth < 4 and roll < 0.42:
            self.branch(depth, in_loop)
        elif self.budget > 0 and depth < 4 and roll < 0.62:
            self.loop(depth)
        else:
            self.assignment(depth)

    def branch(self, depth: int, in_loop: bool) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, in_loop)
        if self.rng.random() < 0.3:
            self.line(depth, f"elif {self.condition()}:")
            self.block(depth + 1, in_loop)
        if self.rng.random() < 0.6:
            self.line(depth, "else:")
            self.block(depth + 1, in_loop)

    def loop(self, depth: int) -> None:
        self.loops += 1
        name, kind = f"i{self.loops}", self.rng.random()
        if kind < 0.4:
            start = self.pick("0", "0", "paddle.to_tensor(0)", "paddle.to_tensor(0.0)")
            self.line(depth, f"{name} = {start}")
            more = self.pick("", "", f" and ({self.condition()})")
            self.line(depth, f"while {name} < {self.rng.randint(0, 4)}{more}:")
            self.line(depth + 1, f"{name} = {name} + 1")
        else:
            items = self.pick(
                str(self.rng.randint(0, 3)), "int(x.max())", "(x > 0).sum()", "m", "items", "x",
                "a", "enumerate(b)", "s > 1",
            )  # fmt: skip
            if items[0].isalpha() and items not in ("m", "int(x.max())"):
                target = f"k, {name}" if items.startswith("enum") else name
                items = "x" if items == "items" else "[s, 1]" if items == "s > 1" else items
            else:
                target, items = name, f"range({items})"
            self.line(depth, f"for {target} in {items}:")
            if self.rng.random() < 0.6:
                self.line(depth + 1, f"{self.pick(*SCALARS)} = ({self.scalar()} + {name}) % 7")
        self.block(depth + 1, in_loop=True)
        if self.rng.random() < 0.2:
            self.line(depth, "else:")
            self.block(depth + 1, in_loop=False)

    def assignment(self, depth: int) -> None:
        choices = [
            lambda: f"{self.pick(*VECTORS)} = {self.vector()}",
            lambda: f"{self.pick(*VECTORS)} += {self.pick('1', 'x', 'm')}",
            lambda: f"{self.pick(*SCALARS)} = {self.scalar()}",
            lambda: f"{self.pick(*SCALARS)} = {self.scalar()} % 5",
            lambda: f"{self.pick(*NUMBERS)} = {self.number()}",
            lambda: "n += 1",
            lambda: f"{'d' if self.has_d else 'a'} = {self.vector()}",
            lambda: f"o = {self.pick('None', 'x', 'a * 2')}",
            lambda: f"items[0] = {self.vector()}",
            lambda: f"table['k'] = {self.number()}",
            lambda: f"table['v'] = {self.vector()}",
            lambda: "a, b = b, a",
            lambda: f"flag = {self.pick('not flag', 'True', 'm > 1')}",
        ]
        self.line(depth, self.rng.choice(choices)())

    def vector(self) -> str:
        atoms = (*VECTORS, "x", "items[0]", "table['v']")
        roll = self.rng.random()
        if roll < 0.06:
            return "d + 0" if self.has_d else "x"
        if roll < 0.12:
            return "(x if o is None else o)"
        if roll < 0.3:
            return f"{self.pick(*atoms)} + {self.pick('1', 's', 'm', *atoms)}"
        if roll < 0.45:
            return f"({self.pick(*atoms)} * {self.pick('2', '-1', '0.5')}).clip(-9, 9)"
        if roll < 0.6:
            return f"{self.pick(*atoms)} if {self.condition()} else {self.pick(*atoms)}"
        if roll < 0.7:
            return f"helper({self.pick(*atoms)}, {self.pick(*SCALARS, *NUMBERS)})"
        if roll < 0.8:
            return f"paddle.maximum({self.pick(*atoms)}, {self.pick(*atoms)})"
        return f"{self.pick(*atoms)} - {self.pick('1', 't', 'n')}"

    def scalar(self) -> str:
        return str(self.pick(
            "s + 1", "t - 1", "a.sum()", "b.max()", "s - t", "a[0]", "t * 2", "s + m",
            "items[0].sum()", "table['v'].sum()",
        ))  # fmt: skip

    def number(self) -> str:
        return str(self.pick("(m + 1) % 5", "(n - 1) % 4", "m * 2 % 5", "0", "3", "(m + n) % 3",
                             "len(items)", "(table['k'] + 1) % 3"))  # fmt: skip

    def condition(self) -> str:
        roll = self.rng.random()
        tensor = f"{self.pick('s', 't', 'a.sum()', 'b[0]', 's * t')} {self.pick('<', '>', '>=')} " \
                 f"{self.pick('0', '1', '2', 'm', 't')}"  # fmt: skip
        python = str(self.pick("flag", "m < 2", "n % 2 == 0", "not flag", "m != n", "o is None",
                               "table['k'] > 0"))  # fmt: skip
        if roll < 0.45:
            return tensor
        if roll < 0.65:
            return python
        if roll < 0.72:
            return f"{self.pick('-2', '0', 'm')} < s {self.pick('<', '<=')} {self.pick('3', 't')}"
        if roll < 0.8:
            return f"not {tensor}"
        if roll < 0.83:
            return f"(w := {self.scalar()}) > {self.pick('0', 'm')} and w < 4"
        pair = [tensor, self.pick(tensor, python, "t < 2")]
        self.rng.shuffle(pair)
        return f" {self.pick('and', 'or')} ".join(pair)

    def result(self) -> str:
        return str(self.pick("a, b, s, m", "a, t, n", "a + b", "a, b, s, t, m, n, items", "s, o",
                             "table, flag, b", "a, d" if self.has_d else "b", "m"))  # fmt: skip


class Outcome(NamedTuple):
    """What a program gave for one input: values, or the name of an error."""

    value: Any
    error: str = ""


class Report:
    """Counts what came out; `failures` holds the numbers of the programs that differ."""

    def __init__(self) -> None:
        self.programs = self.equal = 0
        self.refused: Counter[str] = Counter()
        self.failures: list[str] = []

    def __str__(self) -> str:
        refused = "".join(f"\n  {n:6} {text}" for text, n in self.refused.most_common(12))
        failed = "".join(f"\n  {text}" for text in self.failures[:20])
        return (
            f"{self.programs} programs: {self.equal} equal, {self.refused.total()} refused, "
            f"{len(self.failures)} different{refused}{failed}"
        )


def source_of(seed: int, number: int) -> str:
    """The text of a program."""
    return Writer(random.Random(f"{seed}/{number}")).program()


def function_of(source: str, name: str) -> Callable[..., Any]:
    """The function `f` of the source, which linecache knows under the name."""
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    names: dict[str, Any] = {"paddle": paddle, "__name__": "random_program"}
    exec(compile(source, name, "exec"), names)
    found: Callable[..., Any] = names["f"]
    return found


def check(seed: int, number: int, report: Report, compiled: bool = False) -> None:
    """Run one program in both modes and note what came out."""
    source, file = source_of(seed, number), f"<random {seed}/{number}>"
    function = function_of(source, file)
    report.programs += 1
    try:
        static = to_static(function) if compiled else interpreted(function)
        for values in INPUTS:
            x = np.array(values, np.float32)
            wanted, found = outcome(function, x), outcome(static, x)
            if not agree(wanted, found):
                report.failures.append(f"{seed}/{number} on {values}: {wanted} and {found}")
                return
        report.equal += 1
    except ConversionError as error:
        report.refused[str(error).split("<--- HERE")[-1].split("\n\n")[-1][:100]] += 1
    except Exception as error:
        report.failures.append(f"{seed}/{number} {type(error).__name__}: {str(error)[-200:]!r}")
    finally:
        del linecache.cache[file]


def interpreted(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """The function traced once, run by the numpy interpreter."""
    try:
        concrete = to_static(function).concrete_for([paddle.zeros([2])])
    except NameError as error:
        # A variable that has no value for any input.
        return functools.partial(fail, error)

    def call(x: Any) -> Any:
        outputs, _ = run_program(concrete.main_program, [x.numpy()], concrete.values())
        return concrete.rebuild([paddle.to_tensor(array) for array in outputs])

    return call


def fail(error: Exception, x: Any) -> NoReturn:
    raise error


def outcome(function: Callable[..., Any], x: Any) -> Outcome:
    """Call it on a copy."""
    try:
        return Outcome(plain(function(paddle.to_tensor(x.copy()))))
    except (NameError, TypeError) as error:
        if isinstance(error, TypeError) and "NoneType" not in str(error):
            raise
        kind = NameError if isinstance(error, NameError) else TypeError
        return Outcome(None, kind.__name__)


def plain(value: Any) -> Any:
    """Tensors as arrays, also inside lists, tuples and dicts."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return [plain(value[key]) for key in value]
    if value is None:
        return None
    return np.asarray(value.numpy() if isinstance(value, paddle.Tensor) else value, np.float64)


def agree(one: Outcome, two: Outcome) -> bool:
    """Whether both modes gave the same."""
    return one.error == two.error and same(one.value, two.value)


def same(one: Any, two: Any) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if one is None or two is None or isinstance(one, list) or isinstance(two, list):
        return one is two
    return one.shape == two.shape and np.allclose(one, two, rtol=1e-5, equal_nan=True)


def run(seed: int, numbers: Sequence[int], compiled: bool = False) -> Report:
    """Check these programs of a seed."""
    report = Report()
    for number in numbers:
        check(seed, number, report, compiled)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--show", action="store_true", help="print each program")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    if options.show:
        print(*(source_of(options.seed, number) for number in numbers), sep="\n")
    print(f"seed {options.seed}:", run(options.seed, numbers, options.compiled))


if __name__ == "__main__":
    main()
