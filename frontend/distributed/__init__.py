"""`paddle.distributed` for one process: a script for several runs as the only one of them.

The rank is 0 and the number of processes 1, so collective functions leave tensors as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor
from .parallel import DataParallel

_state = {"initialized": False}


class ReduceOp:
    """How collective functions combine: of one process each gives the tensor itself."""

    SUM, MAX, MIN, PROD, AVG = range(5)


class ParallelEnv:
    """What a process knows of the others."""

    rank = local_rank = dev_id = device_id = 0
    world_size = nranks = nrings = 1
    device_type = "cpu"

    @property
    def current_endpoint(self) -> str:
        return os.environ.get("PADDLE_CURRENT_ENDPOINT", "127.0.0.1:6170")

    @property
    def trainer_endpoints(self) -> list[str]:
        return [self.current_endpoint]


def get_rank(group: Any = None) -> int:
    """The number of this process: 0.

    >>> import wherry as paddle
    >>> paddle.distributed.get_rank(), paddle.distributed.get_world_size()
    (0, 1)
    """
    return 0


def get_world_size(group: Any = None) -> int:
    """The number of processes: 1."""
    return 1


def init_parallel_env() -> ParallelEnv:
    """Begin: there is nothing to connect. Raises where a launcher has started several processes."""
    count = os.environ.get("PADDLE_TRAINERS_NUM", "1")
    if count != "1":
        raise RuntimeError(
            f"wherry trains in one process, and PADDLE_TRAINERS_NUM is {count}; run the script "
            "itself, without a launcher"
        )
    _state["initialized"] = True
    return ParallelEnv()


def is_initialized() -> bool:
    """Whether `init_parallel_env` was called."""
    return _state["initialized"]


def is_available() -> bool:
    """True: the functions are there, for one process."""
    return True


def destroy_process_group(group: Any = None) -> None:
    """The end of what `init_parallel_env` began."""
    _state["initialized"] = False


def spawn(
    func: Callable[..., Any], args: Sequence[Any] = (), nprocs: int = -1, join: bool = True,
    daemon: bool = False, **options: Any,
) -> None:  # fmt: skip
    """Call the function in this process. Raises ValueError for more than one process."""
    if nprocs not in (-1, 1):
        raise ValueError(f"wherry trains in one process: spawn needs nprocs 1, got {nprocs}")
    func(*args)


def barrier(group: Any = None) -> None:
    """Wait for the others: there are none."""


def _alone(name: str, text: str) -> Callable[..., None]:
    def function(tensor: Tensor, *args: Any, **kwargs: Any) -> None:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} needs a Tensor, got {type(tensor).__name__}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text + " Of one process it is the tensor itself, which stays."
    return function


all_reduce = _alone("all_reduce", "The combination of all processes' tensors, in place.")
reduce = _alone("reduce", "The combination of all processes' tensors, in one process.")
broadcast = _alone("broadcast", "One process's tensor, in all of them.")


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None,
               sync_op: bool = True) -> None:  # fmt: skip
    """Append all processes' tensors to a list: this one's."""
    tensor_list.append(tensor)


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Append all processes' objects to a list: this one's."""
    object_list.append(obj)


__all__ = [
    "DataParallel", "ParallelEnv", "ReduceOp", "all_gather", "all_gather_object", "all_reduce",
    "barrier", "broadcast", "destroy_process_group", "get_rank", "get_world_size",
    "init_parallel_env", "is_available", "is_initialized", "reduce", "spawn",
]  # fmt: skip
