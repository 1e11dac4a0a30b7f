"""`paddle.Model`: a net with its loss, metrics and optimizer, trained and evaluated in one call."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..amp import auto_cast
from ..framework import in_dynamic_mode
from ..grad_mode import no_grad
from ..io import DataLoader, Dataset
from ..metric import Metric
from ..nn import Layer
from ..serialization import load, save
from ..static.input_spec import InputSpec
from ..tensor import Array, Tensor
from ..utils import flatten
from .callbacks import CallbackList, config_callbacks
from .summary import summary


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _tensors(values: Any) -> list[Tensor]:
    return [v if isinstance(v, Tensor) else Tensor(np.asarray(v)) for v in _as_list(values)]


class Model:
    """A net to be trained with `fit`, judged with `evaluate` and used with `predict`.

    `inputs` and `labels` are InputSpecs (or lists of them); without `inputs` the net takes as many
    parts of a batch as its forward has arguments, and the loss the rest.

    >>> import wherry as paddle
    >>> net = paddle.nn.Linear(2, 1)
    >>> model = paddle.Model(net)
    >>> rule = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    >>> model.prepare(rule, paddle.nn.MSELoss())
    >>> data = paddle.io.TensorDataset([paddle.rand([8, 2]), paddle.zeros([8, 1])])
    >>> model.fit(data, batch_size=4, epochs=2, verbose=0)
    >>> sorted(model.evaluate(data, verbose=0))
    ['loss']
    """

    def __init__(self, network: Layer, inputs: Any = None, labels: Any = None) -> None:
        if not in_dynamic_mode():
            raise RuntimeError(
                "paddle.Model trains in dynamic mode; call paddle.disable_static() before it"
            )
        if not isinstance(network, Layer):
            raise TypeError(f"Model needs a paddle.nn.Layer, got {type(network).__name__}")
        self.network, self.mode, self.stop_training = network, "train", False
        self._inputs, self._labels = _as_list(inputs), _as_list(labels)
        self._loss: Any = None
        self._optimizer: Any = None
        self._metrics: list[Metric] = []
        self._amp_level = "O0"

    def _taken(self) -> int:
        """How many parts of a batch are inputs of the net."""
        if self._inputs:
            return len(self._inputs)
        return len(inspect.signature(self.network.forward).parameters)

    def prepare(
        self, optimizer: Any = None, loss: Callable[..., Any] | None = None, metrics: Any = None,
        amp_configs: Any = None,
    ) -> None:  # fmt: skip
        """Say what trains and judges the net; `metrics` is a Metric or a list of them."""
        level = amp_configs.get("level", "O1") if isinstance(amp_configs, dict) else amp_configs
        if level not in (None, "O0", "O1", "O2"):
            raise ValueError(f"amp level should be O0, O1 or O2, got amp_configs={amp_configs!r}")
        self._amp_level = level or "O0"
        if loss is not None and not callable(loss):
            raise TypeError(
                "'loss' must be sub classes of `paddle.nn.Layer` or any callable function."
            )
        for metric in _as_list(metrics):
            if not isinstance(metric, Metric):
                raise TypeError(f"{type(metric).__name__} is not sub class of Metric")
        self._optimizer, self._loss, self._metrics = optimizer, loss, _as_list(metrics)

    # One batch.

    def _losses(self, outputs: list[Any], labels: list[Tensor]) -> list[Tensor]:
        if self._loss is None:
            raise RuntimeError("model not ready, please call `model.prepare()` with a loss first")
        return _as_list(self._loss(*outputs, *labels))

    def _measured(self, outputs: list[Any], labels: list[Tensor]) -> list[Any]:
        found = []
        for metric in self._metrics:
            computed = _as_list(metric.compute(*outputs, *labels))
            found.append(metric.update(*[
                one.numpy() if isinstance(one, Tensor) else one for one in computed
            ]))  # fmt: skip
        return found

    def _result(self, losses: list[Tensor], measured: list[Any]) -> Any:
        numbers = [loss.numpy() for loss in losses]
        return (numbers, measured) if self._metrics else numbers

    def train_batch(self, inputs: Any, labels: Any = None, update: bool = True) -> Any:
        """One step on a batch: the losses, or (losses, metrics); without `update` the gradients
        add up."""
        if self._optimizer is None:
            raise RuntimeError("model not ready, please call `model.prepare()` first")
        self.network.train()
        self.mode = "train"
        given = _tensors(labels)
        with auto_cast(enable=self._amp_level != "O0", level=self._amp_level):
            outputs = _as_list(self.network(*_tensors(inputs)))
            losses = self._losses(outputs, given)
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        total.backward()
        if update:
            self._optimizer.step()
            self._optimizer.clear_grad()
        return self._result(losses, self._measured(outputs, given))

    def eval_batch(self, inputs: Any, labels: Any = None) -> Any:
        """The losses of a batch, or (losses, metrics), in eval mode."""
        self.network.eval()
        self.mode = "eval"
        given = _tensors(labels)
        with no_grad():
            outputs = _as_list(self.network(*_tensors(inputs)))
            losses = self._losses(outputs, given) if self._loss is not None else []
        return self._result(losses, self._measured(outputs, given))

    def predict_batch(self, inputs: Any) -> list[Array]:
        """The outputs for a batch, as arrays, in eval mode."""
        self.network.eval()
        self.mode = "test"
        with no_grad():
            outputs = _as_list(self.network(*_tensors(inputs)))
        return [one.numpy() for one in outputs]

    # Many batches.

    def fit(
        self, train_data: Any = None, eval_data: Any = None, batch_size: Any = 1, epochs: int = 1,
        eval_freq: int = 1, log_freq: int = 10, save_dir: str | None = None, save_freq: int = 1,
        verbose: int = 2, drop_last: bool = False, shuffle: bool = True, num_workers: int = 0,
        callbacks: Any = None, accumulate_grad_batches: int = 1, num_iters: int | None = None,
    ) -> None:  # fmt: skip
        """Train on a Dataset or DataLoader; judge on `eval_data` after each `eval_freq` epochs.

        `save_dir` keeps the parameters of each `save_freq`-th epoch. `verbose` 0 prints nothing, 1
        a bar, 2 lines. `batch_size` may be a pair, for training and evaluation. `num_iters` limits
        the batches. The step follows each `accumulate_grad_batches` batches.
        """
        if train_data is None:
            raise ValueError("train_data must be given!")
        if num_iters is not None and num_iters <= 0:
            raise ValueError(f"num_iters needs a number > 0, got {num_iters}")
        sizes = [batch_size, batch_size] if isinstance(batch_size, int) else list(batch_size)
        loader = _loader(train_data, sizes[0], shuffle, drop_last, num_workers)
        judge = None if eval_data is None else _loader(eval_data, sizes[1], False, False,
                                                       num_workers)  # fmt: skip
        steps = _steps(loader)
        if num_iters is not None:
            epochs = 1 if steps is None else max(1, -(-num_iters // steps))
            steps = num_iters if steps is None else min(num_iters, steps)
        call = config_callbacks(
            callbacks, self, log_freq=log_freq, verbose=verbose, save_freq=save_freq,
            save_dir=save_dir, epochs=epochs, steps=steps, metrics=self._metric_names(),
        )  # fmt: skip
        self.stop_training = False
        left = _Count(num_iters)
        logs: dict[str, Any] = {}
        call("train_begin", None)
        for epoch in range(epochs):
            call("epoch_begin", epoch, None)
            logs = self._epoch(loader, call, left, accumulate_grad_batches)
            call("epoch_end", epoch, logs)
            if judge is not None and epoch % eval_freq == 0:
                self._evaluate(judge, call, _Count(None))
            if self.stop_training or left.done:
                break
        call("train_end", logs)

    def _metric_names(self) -> list[str]:
        return [name for metric in self._metrics for name in _as_list(metric.name())]

    def _split(self, batch: Any) -> tuple[list[Any], list[Any]]:
        parts = flatten(batch)
        count = self._taken()
        return parts[:count], parts[count:]

    def _log(self, logs: dict[str, Any], result: Any, inputs: list[Any]) -> None:
        losses = result[0] if self._metrics else result
        if losses:
            logs["loss"] = [float(one.reshape(-1)[0]) for one in losses]
        for metric in self._metrics:
            values = _as_list(metric.accumulate())
            logs.update(zip(_as_list(metric.name()), values, strict=True))
        logs["batch_size"] = int(inputs[0].shape[0]) if inputs and inputs[0].ndim else 1

    def _epoch(
        self, loader: Iterable[Any], call: CallbackList, left: _Count, every: int
    ) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        for metric in self._metrics:
            metric.reset()
        last = _steps(loader)
        for step, batch in enumerate(loader):
            inputs, labels = self._split(batch)
            call("train_batch_begin", step, logs)
            final = left.take() or (last is not None and step + 1 == last)
            update = (step + 1) % every == 0 or final
            self._log(logs, self.train_batch(inputs, labels, update), inputs)
            logs["step"] = step
            call("train_batch_end", step, logs)
            if left.done:
                break
        return logs

    def evaluate(
        self, eval_data: Any, batch_size: int = 1, log_freq: int = 10, verbose: int = 2,
        num_workers: int = 0, callbacks: Any = None, num_iters: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The loss of the last batch and the metrics over a Dataset or DataLoader."""
        loader = _loader(eval_data, batch_size, False, False, num_workers)
        call = config_callbacks(
            callbacks, self, log_freq=log_freq, verbose=verbose, metrics=self._metric_names(),
            steps=_steps(loader), epochs=1,
        )  # fmt: skip
        logs = self._evaluate(loader, call, _Count(num_iters))
        return {k: v for k, v in logs.items() if k not in ("step", "batch_size")}

    def _evaluate(self, loader: Any, call: CallbackList, left: _Count) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        for metric in self._metrics:
            metric.reset()
        call("eval_begin", {"steps": left.limited(_steps(loader)), "metrics": self._metric_names()})
        for step, batch in enumerate(loader):
            inputs, labels = self._split(batch)
            call("eval_batch_begin", step, logs)
            self._log(logs, self.eval_batch(inputs, labels), inputs)
            logs["step"] = step
            call("eval_batch_end", step, logs)
            if left.take():
                break
        call("eval_end", logs)
        return logs

    def predict(
        self, test_data: Any, batch_size: int = 1, num_workers: int = 0,
        stack_outputs: bool = False, verbose: int = 1, callbacks: Any = None,
    ) -> list[Any]:  # fmt: skip
        """For each output of the net the arrays of all batches, or, stacked, one array."""
        loader = _loader(test_data, batch_size, False, False, num_workers)
        call = config_callbacks(
            callbacks, self, log_freq=1, verbose=verbose, metrics=[], steps=_steps(loader), epochs=1
        )
        logs: dict[str, Any] = {}
        found: list[list[Array]] = []
        call("predict_begin", {"steps": _steps(loader)})
        for step, batch in enumerate(loader):
            inputs, _ = self._split(batch)
            call("predict_batch_begin", step, logs)
            found.append(self.predict_batch(inputs))
            logs["step"] = step
            logs["batch_size"] = int(inputs[0].shape[0]) if inputs and inputs[0].ndim else 1
            call("predict_batch_end", step, logs)
        call("predict_end", logs)
        columns = list(zip(*found, strict=True))
        return [np.concatenate(column) for column in columns] if stack_outputs else columns

    # Files.

    def save(self, path: str, training: bool = True) -> None:
        """Write path.pdparams and, where the optimizer has a state, path.pdopt; without `training`
        what `paddle.jit.save` writes, for which the Model needs `inputs`."""
        if not os.path.basename(path):
            raise ValueError(f"save needs a path that ends with the name of a file, got {path!r}")
        if training:
            save(self.network.state_dict(), path + ".pdparams")
            state = self._optimizer.state_dict() if self._optimizer is not None else {}
            if state:
                save(state, path + ".pdopt")
            return
        if not self._inputs:
            raise RuntimeError(
                "Saving inference model needs 'inputs': paddle.Model(network, inputs=[InputSpec])"
            )
        from .. import jit

        jit.save(self.network, path, input_spec=self._specs())

    def _specs(self) -> list[InputSpec]:
        return [spec for spec in self._inputs if isinstance(spec, InputSpec)]

    def load(self, path: str, skip_mismatch: bool = False, reset_optimizer: bool = False) -> None:
        """Read what `save` wrote. Raises ValueError for parameters that are missing or of another
        shape, unless `skip_mismatch` leaves them with a warning."""
        state = load(path + ".pdparams")
        own = self.network.state_dict()
        for key, value in own.items():
            problem = _mismatch(key, value, state.get(key))
            if problem and not skip_mismatch:
                raise ValueError(f"{problem}; skip_mismatch=True leaves it as it is")
            if problem:
                warnings.warn(f"Skip loading for {key}. {problem}", stacklevel=2)
                state.pop(key, None)
        self.network.set_state_dict({key: state.get(key, value) for key, value in own.items()})
        if self._optimizer is not None and not reset_optimizer and os.path.exists(path + ".pdopt"):
            self._optimizer.set_state_dict(load(path + ".pdopt"))

    def parameters(self, *args: Any, **kwargs: Any) -> Any:
        """The parameters of the net."""
        return self.network.parameters(*args, **kwargs)

    def summary(self, input_size: Any = None, dtype: Any = None) -> dict[str, int]:
        """`paddle.summary` of the net, by default for the Model's `inputs`."""
        if input_size is None and not self._inputs:
            raise ValueError("'input_size' must be given where the Model has no inputs")
        return summary(self.network, self._specs() if input_size is None else input_size, dtype)


class _Count:
    """The batches that may still come; None for any number."""

    def __init__(self, limit: int | None) -> None:
        self.left = limit

    @property
    def done(self) -> bool:
        return self.left is not None and self.left <= 0

    def take(self) -> bool:
        """Count one batch; True if it is the last."""
        if self.left is not None:
            self.left -= 1
        return self.done

    def limited(self, steps: int | None) -> int | None:
        known = [n for n in (self.left, steps) if n is not None]
        return min(known) if known else None


def _mismatch(key: str, own: Any, given: Any) -> str:
    if given is None:
        return f"{key} is not found in the providing file."
    if list(own.shape) != list(given.shape):
        return f"{key} receives a shape {list(given.shape)}, but the expected shape is {own.shape}."
    return ""


def _steps(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None


def _loader(data: Any, batch_size: int, shuffle: bool, drop_last: bool, workers: int) -> Any:
    if isinstance(data, Dataset):
        return DataLoader(data, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last,
                          num_workers=workers)  # fmt: skip
    if not isinstance(data, Iterable):
        raise TypeError(f"Model needs a Dataset or an iterable of batches, got {type(data)}")
    return data


__all__ = ["Model"]
