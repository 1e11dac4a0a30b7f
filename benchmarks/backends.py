"""The frameworks: `build(workload, folder, threads)` gives a function to time.

A builder returns a call without arguments that runs the workload on its inputs, which are already
in the framework's form, and gives the output. Each process imports the framework it was started
for only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from operations import Jax, PaddleStyle, Reference, Torch
from workloads import TABLE, Array, Workload

Call = Callable[[], Any]


class Expected(NamedTuple):
    """A workload's output in float64, its contractions' FLOPs, and the bytes that it reads."""

    output: Array
    flops: int
    read: int


def reference(workload: Workload) -> Expected:
    """What numpy makes of the workload."""
    inputs, weights = workload.values()
    f = Reference()
    wide = {name: value.astype(np.float64) for name, value in weights.items()}
    floats = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in inputs]
    output = workload.forward(f, wide, *floats)
    read = sum(array.nbytes for array in [*inputs, *weights.values()]) - 4 * f.unread
    return Expected(output, f.flops, read)


def save_paddle_style(paddle: Any, workload: Workload, prefix: Path) -> None:
    """Write the workload with `jit.save`, its weights as buffers of a Layer."""
    inputs, weights = workload.values()
    operations = PaddleStyle(paddle)

    class Net(paddle.nn.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, value in weights.items():
                self.register_buffer(name, paddle.to_tensor(value))

        def forward(self, x: Any, y: Any = None) -> Any:  # Paddle's jit.save takes no *inputs
            inputs = (x,) if y is None else (x, y)
            held = {name: getattr(self, name) for name in weights}
            return workload.forward(operations, held, *inputs)

    net = Net()
    net.eval()
    specs = [
        paddle.static.InputSpec(list(value.shape), value.dtype.name, f"x{index}")
        for index, value in enumerate(inputs)
    ]
    paddle.jit.save(net, str(prefix), input_spec=specs)


def build_wherry(workload: Workload, folder: Path, threads: int) -> Call:
    """The ahead-of-time way: save, compile, load in the runtime; threads by the environment."""
    import wherry
    import wherry.runtime
    from wherry.aot import compile_model

    save_paddle_style(wherry, workload, folder / "net")
    predict = wherry.runtime.load(compile_model(folder / "net"))
    inputs, _ = workload.values()
    return lambda: predict(*inputs)


def build_paddle(workload: Workload, folder: Path, threads: int) -> Call:
    """Paddle's inference predictor with oneDNN."""
    import paddle
    from paddle import inference

    save_paddle_style(paddle, workload, folder / "net")
    config = inference.Config(str(folder / "net.json"), str(folder / "net.pdiparams"))
    config.disable_gpu()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(threads)
    predictor = inference.create_predictor(config)
    inputs, _ = workload.values()
    handles = [predictor.get_input_handle(name) for name in predictor.get_input_names()]
    output = predictor.get_output_handle(predictor.get_output_names()[0])

    def call() -> Any:
        for handle, value in zip(handles, inputs, strict=True):
            handle.copy_from_cpu(value)
        predictor.run()
        return output.copy_to_cpu()

    return call


def build_torch(workload: Workload, folder: Path, threads: int) -> Call:
    """torch, eager, without gradients."""
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    inputs, weights = workload.values()
    tensors = [torch.from_numpy(x) for x in inputs]
    held = {name: torch.from_numpy(value) for name, value in weights.items()}
    for name, value in held.items():
        if value.ndim == 2 and not name.endswith(TABLE):
            held[name] = value.T.contiguous().T
    operations = Torch(torch)
    return lambda: workload.forward(operations, held, *tensors)


def build_jax(workload: Workload, folder: Path, threads: int) -> Call:
    """jax.jit, the weights as constants; the number of threads comes from the CPUs allowed."""
    import jax

    inputs, weights = workload.values()
    held = {name: jax.numpy.asarray(value) for name, value in weights.items()}
    arrays = [jax.numpy.asarray(x) for x in inputs]
    operations = Jax(jax)
    run = jax.jit(lambda *xs: workload.forward(operations, held, *xs))
    return lambda: run(*arrays).block_until_ready()


def build_onnxruntime(workload: Workload, folder: Path, threads: int) -> Call:
    """ONNX Runtime, with all its graph optimizations."""
    import onnxruntime
    from onnx_graph import onnx_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        onnx_model(workload), options, providers=["CPUExecutionProvider"]
    )
    feed = {f"x{index}": value for index, value in enumerate(workload.values()[0])}
    return lambda: session.run(None, feed)[0]


def build_openvino(workload: Workload, folder: Path, threads: int) -> Call:
    """OpenVINO in float32, sharing the inputs' and outputs' memory."""
    import openvino
    from onnx_graph import onnx_model

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    model = core.compile_model(core.read_model(onnx_model(workload)), "CPU", options)
    request = model.create_infer_request()
    feed = dict(enumerate(workload.values()[0]))
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)[0]


BUILDERS: dict[str, Callable[[Workload, Path, int], Call]] = {
    "wherry": build_wherry,
    "onnxruntime": build_onnxruntime,
    "torch": build_torch,
    "openvino": build_openvino,
    "jax": build_jax,
    "paddle": build_paddle,
}
