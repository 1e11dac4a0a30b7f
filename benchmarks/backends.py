"""The frameworks: each has its operations, and `build(workload, folder)`, a function to time.

A builder returns a call without arguments that runs the workload on its inputs, which are already
in the framework's form, and gives the output. Each process imports the framework it was started
for only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from workloads import Array, Workload

Call = Callable[[], Any]


class Reference:
    """The operations in numpy, in the inputs' precision, counting the contractions' FLOPs."""

    def __init__(self) -> None:
        self.flops = 0

    def matmul(self, x: Array, y: Array) -> Array:
        self.flops += 2 * x.shape[-2] * x.shape[-1] * y.shape[-1]
        return np.asarray(x @ y)

    def linear(self, x: Array, w: Array, b: Array) -> Array:
        return self.matmul(x, w) + b

    def conv2d(self, x: Array, k: Array, b: Array, padding: int = 0, groups: int = 1) -> Array:
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, border), k.shape[2:], (2, 3))
        parts = zip(np.split(windows, groups, 1), np.split(k, groups, 0), strict=True)
        out = np.concatenate(
            [np.tensordot(p, q, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) for p, q in parts], 1
        )
        self.flops += 2 * out.size * k[0].size
        return np.asarray(out + b[:, None, None])

    def max_pool2d(self, x: Array, size: int) -> Array:
        n, c, h, w = x.shape
        return np.asarray(x.reshape(n, c, h // size, size, w // size, size).max((3, 5)))

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def flatten(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

    def softmax(self, x: Array) -> Array:
        shifted = np.exp(x - x.max(-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(-1, keepdims=True))

    def layer_norm(self, x: Array, scale: Array, bias: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        return np.asarray(centred / np.sqrt(variance + 1e-5) * scale + bias)


def reference(workload: Workload) -> tuple[Array, int]:
    """The output in float64, and the FLOPs of the workload's contractions."""
    inputs, weights = workload.values()
    f = Reference()
    wide = {name: value.astype(np.float64) for name, value in weights.items()}
    return workload.forward(f, wide, *(x.astype(np.float64) for x in inputs)), f.flops


class PaddleStyle:
    """The operations of wherry and of Paddle, whose API is the same."""

    def __init__(self, paddle: Any) -> None:
        functional = paddle.nn.functional
        self.matmul, self.linear, self.relu = paddle.matmul, functional.linear, functional.relu
        self.max_pool2d, self.softmax = functional.max_pool2d, functional.softmax
        self.functional, self.paddle = functional, paddle

    def conv2d(self, x: Any, k: Any, b: Any, padding: int = 0, groups: int = 1) -> Any:
        return self.functional.conv2d(x, k, b, padding=padding, groups=groups)

    def flatten(self, x: Any) -> Any:
        return self.paddle.flatten(x, 1)

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        return self.functional.layer_norm(x, x.shape[-1:], scale, bias, 1e-5)


def save_paddle_style(paddle: Any, workload: Workload, prefix: Path) -> None:
    """Write the workload with `jit.save`, its weights as buffers of a Layer."""
    _, weights = workload.values()
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
        paddle.static.InputSpec(list(shape), "float32", f"x{index}")
        for index, shape in enumerate(workload.inputs)
    ]
    paddle.jit.save(net, str(prefix), input_spec=specs)


def build_wherry(workload: Workload, folder: Path, threads: int) -> Call:
    """The ahead-of-time way: save, compile, load in the runtime."""
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


class Torch:
    """The operations of torch; matrices lie transposed, as in torch's own Linear."""

    def __init__(self, torch: Any) -> None:
        functional = torch.nn.functional
        self.matmul, self.relu, self.max_pool2d = torch.matmul, torch.relu, functional.max_pool2d
        self.functional = functional

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return self.functional.linear(x, w.T, b)

    def conv2d(self, x: Any, k: Any, b: Any, padding: int = 0, groups: int = 1) -> Any:
        return self.functional.conv2d(x, k, b, padding=padding, groups=groups)

    def flatten(self, x: Any) -> Any:
        return x.flatten(1)

    def softmax(self, x: Any) -> Any:
        return self.functional.softmax(x, -1)

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        return self.functional.layer_norm(x, x.shape[-1:], scale, bias, 1e-5)


def build_torch(workload: Workload, folder: Path, threads: int) -> Call:
    """torch, eager, without gradients."""
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    inputs, weights = workload.values()
    tensors = [torch.from_numpy(x) for x in inputs]
    held = {name: torch.from_numpy(value) for name, value in weights.items()}
    held = {k: v.T.contiguous().T if v.ndim == 2 else v for k, v in held.items()}
    operations = Torch(torch)
    return lambda: workload.forward(operations, held, *tensors)


class Jax:
    """The operations of jax."""

    def __init__(self, jax: Any) -> None:
        self.lax, self.jax, self.np = jax.lax, jax, jax.numpy
        self.relu, self.softmax, self.matmul = jax.nn.relu, jax.nn.softmax, jax.numpy.matmul

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def conv2d(self, x: Any, k: Any, b: Any, padding: int = 0, groups: int = 1) -> Any:
        border = [(padding, padding)] * 2
        out = self.lax.conv_general_dilated(x, k, (1, 1), border, feature_group_count=groups)
        return out + b[:, None, None]

    def max_pool2d(self, x: Any, size: int) -> Any:
        window = (1, 1, size, size)
        return self.lax.reduce_window(x, -self.np.inf, self.lax.max, window, window, "VALID")

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def layer_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        variance = self.np.square(centred).mean(-1, keepdims=True)
        return centred * self.lax.rsqrt(variance + 1e-5) * scale + bias


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
