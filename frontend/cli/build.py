"""`wherry compile NET`: the portable files of a saved model to a shared object."""

from __future__ import annotations

from wherry.aot import compile_model


def compile_command(net: str, targets: str | None, output: str | None) -> int:
    """Compile a saved model and say what was written."""
    levels = [level.strip() for level in targets.split(",")] if targets else None
    written = compile_model(net, levels, output)
    print(f"wrote {written} ({written.stat().st_size / 1024:.0f} KiB)")
    return 0
