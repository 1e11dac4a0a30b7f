"""The command `wherry`: run a Paddle script, compile a saved model, look into one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import wherry
from wherry.schema.errors import WherryError

EXAMPLES = """examples:
  wherry run train.py --epochs 3       a script whose `import paddle` finds wherry
  wherry compile build/digits          writes build/digits.so beside build/digits.pdmodel
  wherry compile net --target x86-64-v2,x86-64-v4 -o server.so
  wherry inspect build/digits          inputs, outputs, ops with their source lines, memory, kernels
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    parser = argparse.ArgumentParser(
        prog="wherry",
        description="Compile Paddle-style models to native CPU code.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wherry {wherry.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_compile(commands)
    _add_inspect(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add(
        commands, "run", "run a Paddle script on wherry: its `import paddle` finds wherry",
        "example:\n  wherry run train.py --epochs 3",
    )  # fmt: skip
    command.add_argument("script", metavar="SCRIPT", help="the Python file to run")
    command.add_argument(
        "args", metavar="ARGS", nargs=argparse.REMAINDER, help="what the script finds in sys.argv"
    )


def _add_compile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add(
        commands, "compile", "compile a saved model to a shared object for wherry.runtime",
        "examples:\n  wherry compile build/digits\n"
        "  wherry compile net --target x86-64-v3,x86-64-v4 -o net.so",
    )  # fmt: skip
    _add_net(command)
    command.add_argument(
        "--target",
        metavar="LEVELS",
        help="comma-separated instruction set levels, all kept in the one file: x86-64-v2, "
        "x86-64-v3, x86-64-v4 or aarch64 (default: the levels of this kind of machine)",
    )
    command.add_argument("-o", "--output", metavar="FILE", help="where to write (default: NET.so)")


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _add(
        commands, "inspect", "show what a saved model consists of",
        "examples:\n  wherry inspect build/digits\n  wherry inspect build/digits --kernels",
    )  # fmt: skip
    _add_net(command)
    instead = command.add_mutually_exclusive_group()
    instead.add_argument(
        "--text", action="store_true", help="print the Program in its compact text form instead"
    )
    instead.add_argument(
        "--kernels",
        action="store_true",
        help="print each kernel with its FLOPs, bytes, ops and source lines, and the arena's size",
    )


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_net(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "net", metavar="NET", help="what jit.save wrote: the path, with or without .pdmodel"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 1 an error, 2 wrong usage)."""
    options = build_parser().parse_args(argv)
    try:
        return _dispatch(options)
    except BrokenPipeError:
        # Whoever read the output has seen enough (`wherry inspect net | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (WherryError, OSError) as error:
        print(f"wherry {options.command}: {_told(error)}", file=sys.stderr)
        return 1


def _told(error: Exception) -> str:
    """An error as a line for a reader who knows no errno."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _dispatch(options: argparse.Namespace) -> int:
    if options.command == "run":
        from .run import run_script

        return run_script(options.script, options.args)
    if options.command == "compile":
        from .build import compile_command

        return compile_command(options.net, options.target, options.output)
    from .inspect import inspect_command

    return inspect_command(options.net, text=options.text, kernels=options.kernels)
