"""One framework in a process of its own, driven by lines of JSON over stdin and stdout.

usage: python benchmarks/worker.py FRAMEWORK THREADS       (bench.py starts it)

{"open": INDEX, "folder": PATH}  builds a workload, writes its output to PATH/out.npy
{"calls": N}                     runs it N times: {"us": the mean of a call}
{"version": PACKAGE}             {"version": what is installed of it}

An answer is {"error": text} where the framework raised.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from backends import BUILDERS, Call
from workloads import WORKLOADS


class Worker:
    def __init__(self, framework: str, threads: int) -> None:
        self.build, self.threads = BUILDERS[framework], threads
        self.call: Call | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "open" in request:
            return self.open(request["open"], Path(request["folder"]))
        if "version" in request:
            return {"version": metadata.version(request["version"])}
        return {"us": self.time(request["calls"])}

    def open(self, index: int, folder: Path) -> dict[str, Any]:
        self.call = None
        gc.collect()
        call = self.build(WORKLOADS[index], folder, self.threads)
        np.save(folder / "out.npy", np.asarray(call()))
        self.call = call
        return {}

    def time(self, calls: int) -> float:
        """Microseconds of a call, after one that brings code and data back to the caches."""
        if self.call is None:
            raise RuntimeError("no workload is open")
        call = self.call
        call()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls * 1e6


def main() -> None:
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    gc.disable()
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:
            first_line = next(iter(str(error).splitlines()), "")
            answer = {"error": f"{type(error).__name__}: {first_line}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
