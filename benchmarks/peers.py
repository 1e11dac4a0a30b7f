"""The peers: what each needs, its virtual environment, and its process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
USUAL = ("onnxruntime", "torch", "openvino")
NEEDS = {
    "onnxruntime": ("onnxruntime", "onnx"),
    "torch": ("torch==2.13.0",),
    "openvino": ("openvino", "onnx"),
    "jax": ("jax",),
    "paddle": ("paddlepaddle", "setuptools"),
}
PATIENCE = 300  # seconds for one answer; a model is built and timed in a few


class PeerError(Exception):
    """A framework cannot be installed, cannot be started, or failed at a workload."""


def chosen(text: str) -> tuple[str, ...]:
    """The peers that PEERS names: "all", "none", or names with commas; by default the usual."""
    fixed = {"": USUAL, "all": tuple(NEEDS), "none": ()}
    names = fixed[text] if text in fixed else tuple(text.split(","))
    unknown = [name for name in names if name not in NEEDS]
    if unknown:
        raise SystemExit(
            f"bench: PEERS needs all, none or names of {', '.join(NEEDS)}: {unknown[0]!r}"
        )
    return names


def set_up(name: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of the peer's environment, made if it is not there. Raises PeerError."""
    home = folder / name
    python, ready, needs = home / "bin" / "python", home / ".ready", "\n".join(NEEDS[name])
    if ready.exists() and ready.read_text() == needs:
        return python
    say(f"setting up {name} (once) ...")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(home)], [*install, "numpy", *NEEDS[name]]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise PeerError(f"not installed: {last_line(done.stderr or done.stdout)}")
    ready.write_text(needs)
    return python


def last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "no message")


class Framework:
    """A worker process; every method raises PeerError where it fails or is gone.

    It is stopped whenever it is not asked: some libraries' idle threads spin, on our CPUs.
    """

    def __init__(self, name: str, python: Path | str, threads: int) -> None:
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process)
        libraries = ("WHERRY", "OMP", "MKL", "OPENBLAS")
        limits = [f"{library}_NUM_THREADS" for library in libraries]
        self.process = subprocess.Popen(
            [str(python), str(HERE / "worker.py"), name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            bufsize=1,
            env={**os.environ, **dict.fromkeys(limits, str(threads))},
        )

    def open(self, index: int, folder: Path) -> None:
        """Build workload `index` in an empty folder, and write its output to out.npy there."""
        self.ask({"open": index, "folder": str(folder)})

    def time(self, calls: int) -> float:
        """Microseconds of a call, the mean of so many."""
        return float(self.ask({"calls": calls})["us"])

    def version(self) -> str:
        """Of what is installed."""
        package = {"paddle": "paddlepaddle"}.get(self.name, self.name)
        return str(self.ask({"version": package})["version"])

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
        except OSError:  # it has ended; its last words are in self.errors
            raise PeerError(f"its process ended: {self.last_words()}") from None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.close()
            raise PeerError(f"no answer within {PATIENCE} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"its process ended: {self.last_words()}")
        self.process.send_signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def last_words(self) -> str:
        self.process.wait()
        self.errors.seek(0)
        return last_line(self.errors.read())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
