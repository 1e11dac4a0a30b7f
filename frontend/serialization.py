"""paddle.save and paddle.load: the pickle that Paddle writes, and a reader that runs no code of a
file.

A state_dict becomes a dict of numpy arrays with the names of the parameters beside it; other
Tensors become a tuple (name, array). The file names numpy's old module, so that Paddle (numpy 1)
reads it. Reading allows numpy arrays and Python's own containers, and refuses everything else by
name.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wherry.schema.container import MODEL_MAGIC, PARAMS_MAGIC
from wherry.schema.errors import ModelFormatError

from .tensor import Tensor

NAME_TABLE = "StructuredToParameterName@@"
_reconstruct = np.zeros(0).__reduce__()[0]


class _Tagged:
    """A Tensor on its way into the pickle: reduces to the tuple (name, array)."""

    def __init__(self, tensor: Tensor) -> None:
        self.pair = (tensor.name, _contiguous(tensor))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (self.pair,)


_PythonPickler: Any = pickle._Pickler


class _Pickler(_PythonPickler):  # type: ignore[misc]
    """Pickle's own writer in Python; numpy's array constructor has its name of numpy 1."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is not _reconstruct:
            super().save_global(obj, name)
            return
        self.save("numpy.core.multiarray")
        self.save("_reconstruct")
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch = {**_PythonPickler.dispatch, type(_reconstruct): save_global}


def _contiguous(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)


def save(obj: Any, path: Any, protocol: int = 4, **configs: Any) -> None:
    """Write a state_dict, a Tensor or a structure of such to a file (or a BytesIO), as Paddle does.

    A `paddle.static.Program` is written without the values of its parameters.

    Missing directories are made. The file appears whole or not at all. Raises ValueError for a path
    that ends in a separator, or a protocol outside 2 .. 4.

    >>> import io, wherry as paddle
    >>> file = io.BytesIO(); paddle.save({"x": paddle.ones([2])}, file); _ = file.seek(0)
    >>> paddle.load(file)["x"].tolist()
    [1.0, 1.0]
    """
    if configs.keys() - {"use_binary_format", "pickle_protocol"}:
        raise ValueError(f"paddle.save has no configs {sorted(configs)}")
    if not isinstance(protocol, int) or not 1 < protocol < 5:
        raise ValueError(f"Expected 1<'protocol'<5, but received protocol={protocol}")
    data = _file_content(obj, protocol)
    if isinstance(path, io.BytesIO):
        path.write(data)
    else:
        write_whole(os.fspath(path), data)
    if isinstance(obj, dict) and not obj:
        warnings.warn("The input state dict is empty, no need to save.", stacklevel=2)


def _file_content(obj: Any, protocol: int) -> bytes:
    if _is_program(obj):
        from .static.serialize import program_bytes

        return program_bytes(obj)
    buffer = io.BytesIO()
    _Pickler(buffer, protocol).dump(_portable(obj))
    return buffer.getvalue()


def _is_program(obj: Any) -> bool:
    """Whether it is a `paddle.static.Program`, without importing static mode for it."""
    static = sys.modules.get("wherry.static.program")
    return static is not None and isinstance(obj, static.Program)


def write_whole(path: str, data: bytes) -> None:
    """Write a file that appears whole or not at all; missing directories are made."""
    directory, name = os.path.split(path)
    if not name:
        raise ValueError(
            "The input path MUST be format of dirname/filename [dirname\\filename in Windows "
            f"system], but received {path!r}: the filename is empty string."
        )
    os.makedirs(directory or ".", exist_ok=True)
    handle, pending = tempfile.mkstemp(prefix=f".{name}.", dir=directory or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(pending, 0o666 & ~_umask())
        os.replace(pending, path)
    except BaseException:
        os.unlink(pending)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_state_dict(obj: Any) -> bool:
    """Whether Paddle writes it as a state_dict: Tensors by name, and a scheduler state."""
    if not isinstance(obj, dict) or not obj:
        return False
    tensors = [key for key, value in obj.items() if isinstance(value, Tensor)]
    rest = [value for value in obj.values() if not isinstance(value, Tensor)]
    return bool(tensors) and all(
        isinstance(value, dict) and not _holds_tensor(value) for value in rest
    )


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensor(one) for one in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_tensor(one) for one in value)


def _portable(obj: Any) -> Any:
    if _is_state_dict(obj):
        names = {key: value.name for key, value in obj.items() if isinstance(value, Tensor)}
        written: dict[str, Any] = {
            key: _contiguous(value) if isinstance(value, Tensor) else value
            for key, value in obj.items()
        }
        written.setdefault(NAME_TABLE, names)
        return written
    return _tagged(obj)


def _tagged(obj: Any) -> Any:
    if isinstance(obj, Tensor):
        return _Tagged(obj)
    if isinstance(obj, dict):
        return {key: _tagged(value) for key, value in obj.items()}
    if type(obj) in (list, tuple):
        return type(obj)(_tagged(one) for one in obj)
    from .nn.layer import Layer

    if isinstance(obj, Layer):
        raise ValueError(
            "paddle do not support saving `paddle.nn.Layer` object; save net.state_dict()"
        )
    return obj


def _scalar(dtype: Any, data: bytes) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise ModelFormatError("a numpy scalar of objects is not loaded")
    return np.frombuffer(data, dtype)[0]


def _empty_array(cls: type, shape: tuple[int, ...], typecode: bytes) -> np.ndarray[Any, Any]:
    if cls is not np.ndarray:
        raise ModelFormatError(f"an array of class {cls} is not loaded")
    return np.ndarray.__new__(np.ndarray, (0,), np.int8)


def _encoded(text: str, encoding: str) -> bytes:
    return text.encode("latin1" if encoding == "latin1" else "utf-8")


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype,
    ("builtins", "tuple"): tuple, ("builtins", "list"): list, ("builtins", "dict"): dict,
    ("builtins", "set"): set, ("builtins", "bytes"): bytes, ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex, ("__builtin__", "tuple"): tuple,
    ("collections", "OrderedDict"): OrderedDict, ("_codecs", "encode"): _encoded,
}  # fmt: skip
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _empty_array
    _ALLOWED[_module, "scalar"] = _scalar


class DataUnpickler(pickle.Unpickler):
    """Reads numpy arrays and Python's containers; whatever else a file names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ModelFormatError(
                f"the file wants to load {module}.{name}, which is neither a numpy array nor a "
                "Python container: paddle.load runs no code of a file"
            )
        return _ALLOWED[module, name]


def load(path: Any, **configs: Any) -> Any:
    """Read what `save` (or Paddle) wrote: arrays become Tensors, or stay with return_numpy=True.

    A file that holds a Program gives a `paddle.static.Program`, whatever its suffix.

    Raises FileNotFoundError for a missing file, and ModelFormatError for one that is damaged, or
    that holds anything but numpy arrays and Python's own containers.
    """
    return_numpy = bool(configs.pop("return_numpy", False))
    keep_names = bool(configs.pop("keep_name_table", False))
    if configs.keys() - {"model_filename", "params_filename"}:
        raise ValueError(f"paddle.load has no configs {sorted(configs)}")
    if isinstance(path, io.BytesIO):
        return _restored(_unpickled(path, "BytesIO"), return_numpy, keep_names)
    name = os.fspath(path)
    if not os.path.isfile(name):
        return _load_model_parameters(name, return_numpy)
    with open(name, "rb") as file:
        magic = file.read(len(MODEL_MAGIC))
    if magic == MODEL_MAGIC:
        from .static.serialize import program_from_file

        return program_from_file(name)
    if magic == PARAMS_MAGIC:
        return _load_model_parameters(name.removesuffix(".pdiparams"), return_numpy)
    with open(name, "rb") as file:
        return _restored(_unpickled(file, name), return_numpy, keep_names)


def _unpickled(file: Any, name: str) -> Any:
    try:
        return DataUnpickler(file).load()
    except ModelFormatError as error:
        raise ModelFormatError(f"{name}: {error}") from None
    except Exception as error:
        raise ModelFormatError(
            f"`paddle.load` can not parse the file: {name}: {type(error).__name__}: {error}"
        ) from None


def _load_model_parameters(prefix: str, return_numpy: bool) -> Any:
    if not os.path.isfile(prefix + ".pdmodel"):
        raise FileNotFoundError(f"paddle.load found neither {prefix} nor {prefix}.pdmodel")
    from .jit import load as load_model

    state = load_model(prefix).state_dict()
    return {key: value.numpy() if return_numpy else value for key, value in state.items()}


def _restored(obj: Any, return_numpy: bool, keep_names: bool) -> Any:
    if isinstance(obj, dict) and NAME_TABLE in obj:
        names = obj[NAME_TABLE]
        if not keep_names:
            obj = {key: value for key, value in obj.items() if key != NAME_TABLE}
        return {
            key: _as_tensor(value, names.get(key), return_numpy)
            if isinstance(value, np.ndarray)
            else value
            for key, value in obj.items()
        }
    return _untagged(obj, return_numpy)


def _as_tensor(array: np.ndarray[Any, Any], name: str | None, return_numpy: bool) -> Any:
    return array if return_numpy else Tensor(array, name=name)


def _untagged(obj: Any, return_numpy: bool) -> Any:
    if (
        type(obj) is tuple
        and len(obj) == 2
        and isinstance(obj[0], str)
        and isinstance(obj[1], np.ndarray)
    ):
        return _as_tensor(obj[1], obj[0], return_numpy)
    if isinstance(obj, dict):
        return {key: _untagged(value, return_numpy) for key, value in obj.items()}
    if type(obj) in (list, tuple):
        return type(obj)(_untagged(one, return_numpy) for one in obj)
    return obj
