"""`paddle.inference.Config`: which model to run, and Paddle's switches for running it."""

from __future__ import annotations

import os
from typing import Any

from wherry.ir.program import Program
from wherry.ir.serialize import load_program
from wherry.runtime.threads import num_threads, set_num_threads
from wherry.schema.errors import ModelFormatError


class Config:
    """Which model to run: the model's file and its parameters, a prefix, or a folder with one.

    The switches for other engines and devices change nothing: there is one way to run a model here,
    and it is the optimized one.
    """

    def __init__(self, model: Any = None, params: Any = None) -> None:
        self._threads: int | None = None
        self._ir_optim = True
        self.set_model(model, params)

    def set_model(self, model: Any, params: Any = None) -> None:
        """Choose another model."""
        self._model = None if model is None else os.fspath(model)
        self._params = None if params is None else os.fspath(params)

    def set_prog_file(self, path: Any) -> None:
        """Choose the model's file."""
        self._model = os.fspath(path)

    def set_params_file(self, path: Any) -> None:
        """Choose the parameters' file."""
        self._params = os.fspath(path)

    def prog_file(self) -> str:
        """The model's file as it was given."""
        return self._model or ""

    def params_file(self) -> str:
        """The parameters' file as it was given."""
        return self._params or ""

    def model_dir(self) -> str:
        """The folder, where the model was given as one."""
        return self._model if self._model is not None and os.path.isdir(self._model) else ""

    def set_cpu_math_library_num_threads(self, count: int) -> None:
        """Let calls use so many threads, from `create_predictor` on, in the whole process."""
        self._threads = count

    def cpu_math_library_num_threads(self) -> int:
        """How many threads a call may use."""
        return num_threads() if self._threads is None else self._threads

    def disable_gpu(self) -> None:
        """Nothing: wherry runs on the CPU."""

    def enable_use_gpu(self, *_: Any, **__: Any) -> None:
        """Raises ValueError: wherry runs on the CPU."""
        raise ValueError("wherry computes on the CPU only: leave enable_use_gpu out")

    def use_gpu(self) -> bool:
        """False: wherry runs on the CPU."""
        return False

    def switch_ir_optim(self, on: bool = True) -> None:
        """Kept for `ir_optim`: passes always run, since they change no result."""
        self._ir_optim = on

    def ir_optim(self) -> bool:
        """What `switch_ir_optim` was told."""
        return self._ir_optim

    def enable_memory_optim(self, on: bool = True) -> None:
        """Nothing: memory is always shared between the values of a call."""

    def enable_mkldnn(self) -> None:
        """Nothing: wherry's own kernels run."""

    def disable_mkldnn(self) -> None:
        """Nothing: wherry's own kernels run."""

    def mkldnn_enabled(self) -> bool:
        """False: wherry's own kernels run."""
        return False

    def set_mkldnn_cache_capacity(self, capacity: int = 0) -> None:
        """Nothing: one compiled model takes all sizes, so nothing is kept for each."""

    def enable_new_executor(self, on: bool = True) -> None:
        """Nothing: there is one executor."""

    def disable_glog_info(self) -> None:
        """Nothing: there is no log."""

    def switch_use_feed_fetch_ops(self, on: bool = True) -> None:
        """Nothing: inputs and outputs are handles."""

    def switch_specify_input_names(self, on: bool = True) -> None:
        """Nothing: inputs have names."""

    def load(self) -> Program:
        """Read the model and set the threads.

        Raises ValueError: ModelFormatError for files that are missing or damaged, InputError for a
        count of threads that is none.
        """
        if self._model is None:
            raise ValueError("paddle.inference.Config names no model; set_model(model, params)")
        path = self._model
        if os.path.isdir(path):
            names = [name for name in sorted(os.listdir(path)) if name.endswith(".pdmodel")]
            if len(names) != 1:
                raise ModelFormatError(f"{path}: needs one .pdmodel in the folder, got {names}")
            path = os.path.join(path, names[0])
        program, _ = load_program(path, self._params)
        if self._threads is not None:
            set_num_threads(self._threads)
        return program
