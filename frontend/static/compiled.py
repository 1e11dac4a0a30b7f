"""CompiledProgram and the strategies: Paddle's ways to ask for what an Executor does anyway."""

from __future__ import annotations

from typing import Any

from .program import Program


class _Options:
    """Attributes that can be set and read, and change nothing."""

    def __init__(self) -> None:
        self.__dict__["_set"] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._set:
            raise AttributeError(f"{type(self).__name__} has no option {name!r} that was set")
        return self._set[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._set[name] = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._set.items())})"


class BuildStrategy(_Options):
    """Which optimizations Paddle makes. Accepted; every Program goes through the same passes.

    >>> strategy = BuildStrategy(); strategy.fuse_elewise_add_act_ops = True
    >>> strategy
    BuildStrategy(fuse_elewise_add_act_ops=True)
    """

    class ReduceStrategy:
        """How gradients of several devices are joined."""

        AllReduce, Reduce = range(2)

    class GradientScaleStrategy:
        """How gradients of several devices are scaled."""

        CoeffNumDevice, One, Customized = range(3)


class ExecutionStrategy(_Options):
    """How Paddle schedules ops. Accepted; a Program runs as one native function."""


class CompiledProgram:
    """A Program with a BuildStrategy: `Executor.run` takes it in the place of the Program."""

    def __init__(self, program_or_graph: Program,
                 build_strategy: BuildStrategy | None = None) -> None:  # fmt: skip
        if not isinstance(program_or_graph, Program):
            raise TypeError(
                "The type of program_to_graph parameter is wrong, expected Program, but received "
                f"{type(program_or_graph).__name__}"
            )
        self._program, self._build_strategy = program_or_graph, build_strategy


def plain_program(given: Any) -> Program:
    """The Program of what `Executor.run` was given. TypeError for what is none."""
    found = given._program if isinstance(given, CompiledProgram) else given
    if not isinstance(found, Program):
        raise TypeError(
            f"Executor.run needs a paddle.static.Program, but received {type(given).__name__}"
        )
    return found
