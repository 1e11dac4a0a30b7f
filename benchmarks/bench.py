"""Time wherry beside its peers, in turn in one run, and say how near the machine's limit it is.

usage: python benchmarks/bench.py [--only TEXT] [--peers all] [--threads 1,2]      (or `make bench`)
       python benchmarks/bench.py --record     puts the table into benchmarks/README.md

Every framework has a process of its own, all pinned to the same CPUs, and one runs at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
from backends import Expected, reference
from limits import Machine
from peers import Framework, PeerError, chosen, set_up
from workloads import WORKLOADS, Array, Workload

BUILD = Path(__file__).resolve().parent.parent / "build"
README = Path(__file__).resolve().parent / "README.md"
MARK = "## The last table"
OURS = "wherry"
TOLERANCE = 2e-5
SLICE_US = 20_000  # how long a framework runs before it is the other's turn


@dataclass
class Result:
    """One workload: the median microseconds of who could run it, the reasons of who could not."""

    workload: Workload
    threads: int
    us: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    limit_us: float = 0.0

    @property
    def ratio(self) -> float | None:
        """The best peer's time over ours: above 1 we are ahead."""
        return min(self.ratios.values(), default=None)

    @property
    def limit_share(self) -> float | None:
        return self.limit_us / self.us[OURS] if OURS in self.us else None

    def record(self) -> dict[str, object]:
        return {
            "workload": self.workload.name,
            "batch": self.workload.batch,
            "threads": self.threads,
            "ours_us": self.us.get(OURS),
            "peers": {name: us for name, us in self.us.items() if name != OURS},
            "ratio": self.ratio,
            "limit_share": self.limit_share,
        }


class Progress:
    """One line that overwrites itself on a terminal; nothing where the output is read by a file."""

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


@dataclass
class Installed:
    """The interpreters of the frameworks that can be used, and why the others cannot."""

    pythons: dict[str, Path | str]
    absent: dict[str, str]

    @staticmethod
    def of(peers: Sequence[str], environments: Path, say: Progress) -> Installed:
        found = Installed({OURS: sys.executable}, {})
        for name in peers:
            try:
                found.pythons[name] = set_up(name, environments, say)
            except PeerError as error:
                found.absent[name] = str(error)
        return found


class Bench:
    """Times on so many threads, on as many CPUs; the frameworks' processes inherit these."""

    def __init__(self, options: argparse.Namespace, installed: Installed, threads: int) -> None:
        self.options, self.threads, self.progress = options, threads, Progress()
        self.peers, self.absent = chosen(options.peers), installed.absent
        os.sched_setaffinity(0, options.cpus[-threads:])
        self.machine = Machine(threads)
        self.frameworks = [Framework(n, p, threads) for n, p in installed.pythons.items()]

    def run(self, indices: list[int]) -> list[Result]:
        self.progress("")
        print(self.line(self.head()))
        results = []
        for count, index in enumerate(indices, 1):
            at = f"{count}/{len(indices)} {WORKLOADS[index].name} {WORKLOADS[index].batch}"
            result = self.measure(index, at)
            self.progress("")
            print(self.line(self.cells(result)), flush=True)
            results.append(result)
        return results

    def head(self) -> list[str]:
        return [f"us, {count_of(self.threads)}", "batch", OURS, *self.peers, "ratio", "of limit"]

    def markdown(self, results: list[Result]) -> str:
        """The table as it stands in the README, with what it was measured on."""
        ran = {name for result in results for name in result.us}
        versions = ", ".join(f"{f.name} {f.version()}" for f in self.frameworks if f.name in ran)
        peak = self.machine.flops_per_us() / 1e3
        facts = f"{machine_name()}; FMA peak {peak:.0f} GFLOP/s; {versions}; {date.today()}."
        rows = [self.head(), ["---"] * len(self.head()), *map(self.cells, results)]
        return facts + "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def measure(self, index: int, at: str) -> Result:
        result = Result(WORKLOADS[index], self.threads, failed=dict(self.absent))
        self.progress(f"{at}: reference")
        expected = reference(result.workload)
        able = []
        for framework in self.frameworks:
            self.progress(f"{at}: {framework.name}")
            try:
                check(framework, index, expected.output)
                able.append(framework)
            except PeerError as error:
                result.failed[framework.name] = str(error)
        self.take_turns(able, result, at)
        result.limit_us = self.limit_us(expected)
        return result

    def take_turns(self, able: list[Framework], result: Result, at: str) -> None:
        """Rounds in which each runs once, in alternating order, so that noise meets all."""
        able = [f for f in able if self.turn(f, 1, result) is not None]
        calls = {f: max(1, round(SLICE_US / (self.turn(f, 1, result) or SLICE_US))) for f in able}
        times: dict[str, list[float]] = {f.name: [] for f in able}
        end = time.monotonic() + self.options.seconds * max(1, len(able) - 1)
        for count in range(self.options.rounds):
            if time.monotonic() > end:
                break
            self.progress(f"{at}: round {count + 1}")
            for f in able[:: -1 if count % 2 else 1]:
                if f.name not in result.failed and (us := self.turn(f, calls[f], result)):
                    times[f.name].append(us)
        times = {name: values for name, values in times.items() if name not in result.failed}
        result.us = {name: median(values) for name, values in times.items()}
        for name in set(times) & set(self.peers) if OURS in times else ():
            result.ratios[name] = median(map(float.__truediv__, times[name], times[OURS]))

    def turn(self, framework: Framework, calls: int, result: Result) -> float | None:
        """Microseconds of a call; None, and a reason in the result, where the framework failed."""
        try:
            return framework.time(calls)
        except PeerError as error:
            result.failed[framework.name] = str(error)
            return None

    def limit_us(self, expected: Expected) -> float:
        """What FMAs or memory take at least: the FLOPs at the peak, or each byte moved once."""
        moving = self.machine.touch_us(expected.read, 4 * expected.output.size)
        return max(expected.flops / self.machine.flops_per_us(), moving)

    def cells(self, result: Result) -> list[str]:
        names = [OURS, *self.peers]
        times = [f"{result.us[n]:.1f}" if n in result.us else "failed" for n in names]
        ratio = "-" if result.ratio is None else f"{result.ratio:.2f}"
        share = "-" if result.limit_share is None else f"{result.limit_share:.0%}"
        return [result.workload.name, str(result.workload.batch), *times, ratio, share]

    def line(self, cells: list[str]) -> str:
        return f"{cells[0]:<21}{cells[1]:>5}" + "".join(f"{cell:>12}" for cell in cells[2:])

    def close(self) -> None:
        for framework in self.frameworks:
            framework.close()


def check(framework: Framework, index: int, want: Array) -> None:
    """Let a framework build a workload; PeerError unless its output is the reference's."""
    with tempfile.TemporaryDirectory() as folder:
        framework.open(index, Path(folder))
        got = np.load(Path(folder) / "out.npy")
    if got.shape != want.shape:
        raise PeerError(f"its output is {got.shape}, the reference's {want.shape}")
    difference = float(np.abs(got - want).max() / np.abs(want).max())
    if not difference <= TOLERANCE:
        raise PeerError(f"its output differs by {difference:.1e}, allowed are {TOLERANCE}")


def selected(only: str) -> list[int]:
    """The indices of the workloads whose name holds one of the texts, with commas between them."""
    found = [i for i, w in enumerate(WORKLOADS) if any(t in w.name for t in only.split(","))]
    if not found:
        names = ", ".join(dict.fromkeys(workload.name for workload in WORKLOADS))
        raise SystemExit(f"bench: no workload is named like {only!r}; there are {names}")
    return found


def machine_name() -> str:
    """The processor, as the kernel names it, and how many CPUs of it there are."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return f"{next(models, platform.machine())}, {os.cpu_count()} CPUs"


def record(tables: list[str], page: Path) -> None:
    """Replace what follows the mark in the page by the tables."""
    text = page.read_text()
    if MARK not in text:
        raise SystemExit(f"bench: {page} has no line {MARK!r}")
    page.write_text("\n\n".join([text[: text.index(MARK)] + MARK, *tables]) + "\n")


def count_of(threads: int) -> str:
    return f"{threads} thread" + "s" * (threads > 1)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="parts of names, with commas between them")
    parser.add_argument("--peers", default="", help="all, none, or names with commas between them")
    parser.add_argument("--threads", type=numbers, help="numbers with commas between; 1,2")
    parser.add_argument("--rounds", type=int, default=30, help="at most so many")
    parser.add_argument("--seconds", type=float, default=2.0, help="at most so long for each peer")
    parser.add_argument("--record", action="store_true", help="write the table into the README")
    parser.add_argument("--output", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--environments", type=Path, default=BUILD / "peers")
    options = parser.parse_args(arguments)
    options.cpus = sorted(os.sched_getaffinity(0))
    usable = len(options.cpus)
    options.threads = options.threads or [1, 2][:usable]
    for threads in options.threads:
        if not 1 <= threads <= usable:
            parser.error(f"--threads needs 1 to {usable}, the CPUs of this process: {threads}")
    if options.rounds < 1:
        parser.error(f"--rounds needs at least 1: {options.rounds}")
    return options


def main(arguments: list[str]) -> int:
    """Print the table and write the file; 1 where wherry itself failed at a workload."""
    options = parse(arguments)
    indices = selected(options.only)
    # First of all: setting up may use every CPU.
    installed = Installed.of(chosen(options.peers), options.environments, Progress())
    results: list[Result] = []
    tables = []
    for threads in options.threads:
        bench = Bench(options, installed, threads)
        try:
            found = bench.run(indices)
            results += found
            if options.record:
                tables.append(bench.markdown(found))
        finally:
            bench.close()
    if options.record:
        record(tables, README)
    for result in results:
        for name, reason in result.failed.items():
            at = f"{result.workload.name} {result.workload.batch}, {count_of(result.threads)}"
            print(f"{name} failed at {at}: {reason}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps([result.record() for result in results], indent=1) + "\n")
    return int(any(OURS in result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
