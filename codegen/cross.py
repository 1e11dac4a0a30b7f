"""Object code for another architecture, made in a process of its own.

There LLVM may meet what it cannot do, and then it aborts the process that it runs in.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import astuple

from wherry.schema.errors import TargetError

from .target import Target, emit_here


def emit_across(text: str, target: Target) -> bytes:
    """What `emit_here` gives. Raises TargetError where LLVM fails, with its last words."""
    head = json.dumps(astuple(target)).encode() + b"\n"
    # The child finds what this process finds, and takes no module of the current folder for it.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], input=head + text.encode(), capture_output=True
    )
    told = done.stderr.decode(errors="replace")
    if done.returncode:
        last = "\n".join(told.strip().splitlines()[-3:])
        raise TargetError(f"LLVM cannot emit this code for {target.name}: {last}")
    sys.stderr.write(told)
    return done.stdout


def main() -> None:
    """The child: a target and a module's text on stdin, the object on stdout."""
    head, _, text = sys.stdin.buffer.read().partition(b"\n")
    sys.stdout.buffer.write(emit_here(text.decode(), Target(*json.loads(head))))
