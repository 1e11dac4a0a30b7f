"""Random small programs of nested control flow, run in dynamic mode and under to_static.

    python tests/jit/random_programs.py --count 50000 --seed 1 [--compiled]

Each program (`program_writer.py`, `program_features.py`) runs on a few inputs. What it returns,
what it does to its argument, and the kind of error that it raises must be the same in both modes.
Program number n of a seed is the same on every machine: `--seed 1 --first 4711 --count 1 --show`
prints it and runs it alone; one that differs is printed as small as `program_shrinker.py` gets it.
"""

from __future__ import annotations

import argparse
import builtins
import gc
import linecache
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from program_shrinker import shrink
from program_writer import Writer

import wherry as paddle
from wherry.jit import to_static
from wherry.jit.execute import Runner
from wherry.jit.native import Interpreted
from wherry.schema.errors import ConversionError

INPUTS: Final = ([1.0, 2.0], [-2.0, 1.0], [0.0, -3.0], [3.0, 4.0])
FILE: Final = "<random program>"

Function = Callable[[Any], Any]


class Outcome(NamedTuple):
    """What a program gave for one input: its result and its argument after it, or an error."""

    value: Any
    error: type[BaseException] | None = None

    def __str__(self) -> str:
        return str(self.value) if self.error is None else self.error.__name__


class Verdict(NamedTuple):
    """How the two modes compare: "equal", "refused" or "different", and more of it as a text."""

    kind: str
    text: str = ""

    def is_like(self, other: Verdict) -> bool:
        """Whether two programs failed for one reason: names and values in the texts differ."""
        ends = [one.text.partition(":")[0][-20:] for one in (self, other)]
        return self.kind == other.kind and ends[0] == ends[1]


class Report:
    """Counts what came out: which programs differ, and why some were refused."""

    def __init__(self) -> None:
        self.programs = self.equal = 0
        self.refused: Counter[str] = Counter()
        self.failures: list[str] = []

    def add(self, name: str, verdict: Verdict) -> None:
        """Note what came out of a program."""
        self.programs += 1
        self.equal += verdict.kind == "equal"
        if verdict.kind == "refused":
            self.refused[verdict.text] += 1
        elif verdict.kind == "different":
            self.failures.append(f"{name} {verdict.text}")

    def __str__(self) -> str:
        refused = "".join(f"\n  {n:6} {text}" for text, n in self.refused.most_common(12))
        failed = "".join(f"\n  {text}" for text in self.failures[:20])
        return (
            f"{self.programs} programs: {self.equal} equal, {self.refused.total()} refused, "
            f"{len(self.failures)} different{refused}{failed}"
        )


def source_of(seed: int, number: int) -> str:
    """The text of a program."""
    return Writer(random.Random(f"{seed}/{number}")).source()


def check(source: str, compiled: bool = False) -> Verdict:
    """Run a program in both modes."""
    function = function_of(source)
    try:
        static = to_static(function) if compiled else interpreted(function)
        for values in INPUTS:
            wanted, found = outcome(function, values), outcome(static, values)
            if not agree(wanted, found):
                names = [one.error.__name__ if one.error else "" for one in (wanted, found)]
                return Verdict("different", f"{names}: {values} gives {wanted} and {found}")
    except ConversionError as error:
        return Verdict("refused", str(error).split("\n\n")[-1].partition("\n")[0][:150])
    return Verdict("equal")


def function_of(source: str) -> Function:
    """The function `f` of the source, which linecache knows."""
    linecache.cache[FILE] = len(source), None, source.splitlines(keepends=True), FILE
    names: dict[str, Any] = {"paddle": paddle, "__name__": "random_program"}
    exec(compile(source, FILE, "exec"), names)
    found: Function = names["f"]
    return found


def interpreted(function: Function) -> Function:
    """The function traced once, run by the numpy interpreter."""
    try:
        concrete = to_static(function).concrete_for([paddle.zeros([2])])
    except ConversionError:
        raise
    except Exception:
        # It is one that every call raises, behind what comes before it.
        return to_static(function)
    runner = Runner(concrete)
    runner.use(Interpreted(concrete.main_program))
    return lambda x: runner([x])


def outcome(function: Function, values: list[float]) -> Outcome:
    """Call it on a tensor of these values."""
    x = paddle.to_tensor(values)
    try:
        return Outcome((plain(function(x)), plain(x)))
    except ConversionError:
        raise
    except Exception as error:
        return Outcome(None, kind_of(error))


def kind_of(error: Exception) -> type[BaseException]:
    """The builtin class that it is of."""
    return next(kind for kind in reversed(_builtins(error)) if kind is not RuntimeError)


def _builtins(error: Exception) -> list[type[BaseException]]:
    mro = [kind for kind in type(error).__mro__ if getattr(builtins, kind.__name__, None) is kind]
    return sorted(mro, key=lambda kind: len(kind.__mro__))


def plain(value: Any) -> Any:
    """Tensors as arrays, also inside lists, tuples and dicts."""
    if isinstance(value, (list, tuple)):
        return type(value)(plain(one) for one in value)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value if value is None else np.asarray(getattr(value, "array", value))


def agree(one: Outcome, two: Outcome) -> bool:
    """Whether both modes gave the same."""
    return one.error is two.error and same(one.value, two.value)


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)) and type(one) is type(two):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        if one.dtype == object:
            # A function or an error that the program made.
            return one.size == two.size == 1 and type(one.item()) is type(two.item())
        # Of an int in one branch and a float in the other the Program has the float.
        grown = one.dtype == two.dtype or two.dtype.kind == "f" or not two.ndim
        return grown and one.shape == two.shape and np.allclose(one, two, 1e-5, equal_nan=True)
    return one is None and two is None


def _is_like(source: str, compiled: bool, verdict: Verdict) -> bool:
    """Whether an edited program still differs so; one without its function does not."""
    return "def f(" in source and check(source, compiled).is_like(verdict)


def run(seed: int, numbers: Sequence[int], compiled: bool = False, show: bool = False) -> Report:
    """Check these programs of a seed; those that differ are shrunk."""
    report = Report()
    for number in numbers:
        if number % 50 == 0:
            # A trace looks at all classes that there are, also those of programs that are over.
            gc.collect()
        source = source_of(seed, number)
        verdict = check(source, compiled)
        report.add(f"{seed}/{number}", verdict)
        if show:
            print(source)
        if verdict.kind == "different":
            small = shrink(source, lambda text, v=verdict: _is_like(text, compiled, v))
            print(f"{seed}/{number}: {verdict.text}\n{small}")
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
    print(f"seed {options.seed}:", run(options.seed, numbers, options.compiled, options.show))


if __name__ == "__main__":
    main()
