"""`paddle.static.save` and `load`: a Program's parameters and optimizer state by name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..serialization import load as load_file
from ..serialization import save as save_file
from ..serialization import write_whole
from ..tensor import Array, Tensor
from .program import Program
from .scope import fits, global_scope
from .serialize import program_bytes
from .variable import Variable


def save(program: Program, model_path: str, protocol: int = 4, **configs: Any) -> None:
    """Write `model_path`.pdparams (parameters), .pdopt (other persistables) and .pdmodel (the
    Program). The first two are the pickles that Paddle writes. Raises ValueError for a path without
    a file's name, and for parameters without a value.
    """
    base = os.path.basename(model_path)
    if not base:
        raise ValueError(
            "The input model_path MUST be format of dirname/filename [dirname\\filename in Windows "
            f"system], but received model_path is empty string: {model_path!r}"
        )
    if configs.keys() - {"pickle_protocol"}:
        raise ValueError(f"paddle.static.save has no configs {sorted(configs)}")
    for mode, suffix in (("param", ".pdparams"), ("opt", ".pdopt")):
        state = {name: value.numpy() for name, value in program.state_dict(mode).items()}
        if state or mode == "param":
            save_file(state, model_path + suffix, protocol)
    write_whole(model_path + ".pdmodel", program_bytes(program))


def load_program_state(
    model_path: str, var_list: Sequence[Variable] | None = None
) -> dict[str, Array]:
    """The arrays that `save` wrote, by name. ValueError where there are none."""
    prefix = _prefix(model_path)
    if not os.path.isfile(prefix + ".pdparams"):
        raise ValueError(f"Parameter file [{prefix}.pdparams] not exists")
    found: dict[str, Array] = {}
    for suffix in (".pdparams", ".pdopt"):
        if os.path.isfile(prefix + suffix):
            found.update(load_file(prefix + suffix, return_numpy=True))
    if var_list is None:
        return found
    return {var.name: found[var.name] for var in var_list if var.name in found}


def _prefix(model_path: str) -> str:
    for suffix in (".pdparams", ".pdopt", ".pdmodel"):
        model_path = model_path.removesuffix(suffix)
    return model_path


def set_program_state(program: Program, state_dict: Mapping[str, Any]) -> None:
    """Write arrays into the scope by name. ValueError for one that does not fit its Variable; a
    warning names those that the Program has no persistable for.
    """
    known = {var.name for var in program.desc.persistables}
    unknown = [name for name in state_dict if name not in known]
    if unknown:
        warnings.warn(
            "This list is not set, Because of Paramerter not found in program. There are: "
            + " ".join(unknown), stacklevel=2,
        )  # fmt: skip
    _write(program, state_dict, [name for name in state_dict if name in known])


def load(program: Program, model_path: str, executor: Any = None, var_list: Any = None) -> None:
    """Read what `save` wrote into the scope, for a Program of the same Variables.

    `var_list` asks for just these. Raises ValueError for missing files, for Variables that the
    files do not hold, and for arrays that do not fit.
    """
    state = load_program_state(model_path)
    wanted = [var.name for var in var_list or program.all_parameters()]
    if var_list is None:
        wanted += [name for name in program.state_names() if name in state and name not in wanted]
    own = {var.name for var in program.desc.persistables}
    missing = [name for name in wanted if name not in state or name not in own]
    if missing:
        raise ValueError(
            f"Can not find {missing} in model file [{_prefix(model_path)}] and in the Program"
        )
    _write(program, state, wanted)


def _write(program: Program, state: Mapping[str, Any], names: Sequence[str]) -> None:
    known = {var.name: var for var in program.desc.persistables}
    tensors = program.tensors()
    for name in names:
        value = state[name]
        array = np.array(value.array if isinstance(value, Tensor) else value)
        reason = fits(known[name], array)
        if reason:
            raise ValueError(f"the value of a Variable does not fit: {reason}")
        if name in tensors:
            tensors[name].set_value(array)
        else:
            global_scope().put(name, array)
