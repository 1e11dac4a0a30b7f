"""`jit.save` and `jit.load`: a traced function as the three portable files, and back as a Layer."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wherry.ir.program import Variable
from wherry.ir.serialize import load_program, save_program
from wherry.schema.errors import ModelFormatError
from wherry.tensor import Parameter, Tensor

from ..static.input_spec import InputSpec
from .arguments import is_input
from .concrete import ConcreteProgram, is_output
from .decorate import Decorator
from .layout import encode
from .modes import for_inference
from .report import show_users_lines
from .static_function import StaticFunction, is_enabled
from .structure import flatten
from .translated_layer import TranslatedLayer

_CONFIGS = frozenset({
    "output_spec", "with_hook", "combine_params", "clip_extra", "skip_forward",
    "input_names_after_prune", "skip_prune_program", "use_pir",
})  # fmt: skip


def save(layer: Any, path: Any, input_spec: Any = None, **configs: Any) -> None:
    """Write a Layer's forward, or a function, as `path.pdmodel`, `path.pdiparams`,
    `path.pdiparams.info`.

    `input_spec` describes the inputs (InputSpecs, or Tensors as examples); without it the
    decorator's is taken, or the last call's. Dropout and batch_norm are saved for inference.
    Nothing is written on an error: ValueError or TypeError for arguments that do not fit,
    ConversionError and OpError for what cannot be traced, OSError for a path that cannot be
    written.
    """
    if not is_enabled():
        raise RuntimeError(
            "The paddle.jit.save doesn't work when setting 'paddle.jit.enable_to_static' to False."
        )
    prefix = check_path(path)
    _check_configs(configs)
    if input_spec is not None and not isinstance(input_spec, (list, tuple)):
        raise TypeError(
            "The input input_spec should be 'list', but received input_spec's type is "
            f"{type(input_spec)}."
        )
    try:
        for function, suffix in list(_functions(layer, input_spec)):
            _write(layer, function, f"{prefix}{suffix}", input_spec, configs.get("output_spec"))
    except Exception as error:
        show_users_lines(error)
        raise


def check_path(path: Any) -> str:
    """The path as text. ValueError where it names a folder."""
    text = os.fspath(path)
    if not os.path.basename(text):
        raise ValueError(
            "The input path MUST be format of dirname/file_prefix [dirname\\file_prefix in Windows "
            f"system], but received file_prefix is empty string: {text!r}."
        )
    return str(text)


def _check_configs(configs: dict[str, Any]) -> None:
    for name in configs:
        if name not in _CONFIGS:
            raise ValueError(
                f"The additional config ({name}) of `paddle.jit.save` is not supported."
            )


def _functions(layer: Any, input_spec: Any) -> Iterator[tuple[Any, str]]:
    """The functions to save, with what is added to the path for each."""
    from ..nn.layer import Layer

    if isinstance(layer, TranslatedLayer):
        yield layer, ""
    elif isinstance(layer, Layer):
        others = _static_methods(layer)
        if others and input_spec is not None:
            raise ValueError(
                "If there are static functions other than 'forward' that need to be saved, the "
                "input 'input_spec' should be None, but received the type of 'input_spec' is "
                f"{type(input_spec)}."
            )
        forward: Any = layer.forward
        if isinstance(forward, StaticFunction):
            yield forward, ""
        elif input_spec is not None or not others:
            yield StaticFunction(forward.__func__, None, layer), ""
        for name, function in others.items():
            yield function, f".{name}"
    elif isinstance(layer, StaticFunction):
        yield layer, ""
    elif isinstance(layer, Decorator):
        raise ValueError(
            "No valid transformed program for function: decorated(python_func), input_spec: None. "
            "to_static(input_spec=[...]) without a Layer or function returns a decorator, which "
            "cannot be saved: write net = to_static(net, input_spec=[...])"
        )
    elif isinstance(layer, (types.FunctionType, types.MethodType)):
        yield _static(layer), ""
    else:
        raise TypeError(
            "The input of paddle.jit.save should be 'Layer' or 'Function', but received input "
            f"type is {type(layer)}."
        )


def _static(function: Any) -> StaticFunction:
    if isinstance(function, types.MethodType):
        return StaticFunction(function.__func__, None, function.__self__)
    return StaticFunction(function)


def _static_methods(layer: Any) -> dict[str, StaticFunction]:
    """The other methods that are decorated with to_static."""
    names = [name for name in dir(type(layer)) if name != "forward"]
    found = {name: getattr(type(layer), name, None) for name in names}
    own = {k: v for k, v in layer.__dict__.items() if k != "forward"}
    return {
        name: getattr(layer, name)
        for name, value in {**found, **own}.items() if isinstance(value, StaticFunction)
    }  # fmt: skip


def _write(
    layer: Any, function: Any, prefix: str, input_spec: Any, output_spec: Any = None
) -> None:
    if isinstance(function, TranslatedLayer):
        function.write(prefix)
        return
    concrete = function.concrete_for(_spec_to_use(function, input_spec))
    outputs = concrete.outputs if output_spec is None else _chosen(concrete, output_spec)
    program = for_inference(concrete.main_program, outputs)
    values = concrete.values()
    kept = {var.name: values[var.name] for var in program.persistables}
    info = _info(layer, concrete, kept)
    save_program(prefix, program, kept, info, _meta(concrete, function, output_spec))


def _chosen(concrete: ConcreteProgram, output_spec: Any) -> list[Variable]:
    """The outputs that an `output_spec` names: a list of outputs of the function, or their names.

    TypeError for what is no list, ValueError for what the function does not return.
    """
    if not isinstance(output_spec, (list, tuple)):
        raise TypeError(
            "output_spec needs a list of the function's outputs (net.forward.outputs) or of their "
            f"names, got {type(output_spec).__name__}"
        )
    known = {var.name: var for var in concrete.outputs}
    names = [str(one if isinstance(one, str) else getattr(one, "name", one)) for one in output_spec]
    for name in names:
        if name not in known:
            raise ValueError(
                f"output_spec has {name!r}, which the function does not return; it returns "
                f"{', '.join(known)}"
            )
    return [known[name] for name in names]


def _spec_to_use(function: StaticFunction, input_spec: Any) -> Sequence[Any] | None:
    """The decorator's spec wins; the other must not contradict it."""
    own = function.function_spec.input_spec
    if own is None or input_spec is None:
        return input_spec  # type: ignore[no-any-return]
    for ours, given in zip(flatten(own)[1], flatten(list(input_spec))[1], strict=False):
        both = isinstance(ours, InputSpec) and isinstance(given, (InputSpec, Tensor))
        if both and ours.dtype is not given.dtype:
            raise ValueError(
                f"The `input_spec`: {input_spec} used to construct concrete_program is conflict "
                f"with the `input_spec`: {own} in `@paddle.jit.to_static`"
            )
    return own


def _info(layer: Any, concrete: ConcreteProgram, kept: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What `.pdiparams.info` says of each persistable."""
    names: dict[int, str] = {}
    owner: Any = layer if hasattr(layer, "named_parameters") else getattr(layer, "_instance", None)
    if hasattr(owner, "named_parameters"):
        found = [*owner.named_parameters(), *owner.named_buffers()]
        names = {id(tensor): name for name, tensor in found}
    info: dict[str, dict[str, Any]] = {}
    for tensor, var in concrete.captured:
        if var.name in kept:
            info[var.name] = {
                "structured_name": names.get(id(tensor), var.name),
                "stop_gradient": bool(tensor.stop_gradient),
                "trainable": isinstance(tensor, Parameter),
            }
    return info


def _meta(concrete: ConcreteProgram, function: StaticFunction, output_spec: Any) -> dict[str, Any]:
    """How the function is called, and what it returns."""
    arguments = concrete.arguments
    (_, (positional, keywords)) = arguments.structure
    leaves = iter(arguments.leaves)
    counter = [0]
    args = encode(positional, leaves, is_input, counter)
    kwargs = encode(keywords, leaves, is_input, counter)
    outputs = encode(concrete.structure, iter(concrete.leaves), is_output, [0])
    meta = {
        "function": function.function_spec.name, "args": args, "kwargs": kwargs,
        "names": list(arguments.bound.names),
    }  # fmt: skip
    return meta if output_spec is not None else {**meta, "outputs": outputs}


def load(path: Any, **configs: Any) -> TranslatedLayer:
    """The model that `jit.save` wrote to `path` as a Layer, in eval mode.

    It needs neither the model's source nor, to run, the compiler: without llvmlite the numpy
    interpreter runs it. Raises ValueError (ModelFormatError) for files that are missing or damaged.
    """
    text = os.fspath(path)
    model = configs.get("model_filename")
    params = configs.get("params_filename")
    source = Path(text) / model if model else Path(text)
    weights = Path(text) / params if params else None
    if not model and not _exists(text):
        raise ModelFormatError(
            f"The ``path`` ({text}) to load model not exists. Please make sure that *.pdmodel "
            "exists or don't using ``skip_forward=True`` to jit.save."
        )
    program, file = load_program(str(source), str(weights) if weights else None)
    layer = TranslatedLayer(program, file.info, file.meta)
    _load_methods(layer, text)
    return layer


def _exists(text: str) -> bool:
    candidates = (f"{text}.pdmodel", f"{text}.pdimodel", text)
    return any(Path(candidate).is_file() for candidate in candidates)


def _load_methods(layer: TranslatedLayer, text: str) -> None:
    """Further methods that were saved beside forward: `path.method.pdmodel`."""
    folder, prefix = os.path.split(text)
    known = {prefix, prefix.removesuffix(".pdmodel").removesuffix(".pdimodel")}
    if not os.path.isdir(folder or "."):
        return
    for file in sorted(os.listdir(folder or ".")):
        for name in known:
            method = file.removeprefix(name + ".").removesuffix(".pdmodel")
            if file == f"{name}.{method}.pdmodel" and method.isidentifier():
                program, found = load_program(os.path.join(folder, f"{name}.{method}"))
                layer.add_method(method, program, found.info, found.meta)
