"""Record what real Paddle gives for the cases: python tests/goldens/record.py

Run it in a venv of its own after `pip install paddlepaddle==2.6.2 'numpy<2' setuptools`. Writes
api.npz and training.npz beside this file. The project itself never needs Paddle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import training_cases
from cases import CASES, Case


def run(p: Any, one: Case) -> dict[str, np.ndarray]:
    """The case's outputs as out0, out1, ... and the gradients of its float inputs as grad0, ..."""
    tensors = [
        p.to_tensor(array, stop_gradient=array.dtype.kind != "f" or not one.grad)
        for array in one.arrays
    ]
    result = one.call(p, *tensors)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    found = {f"out{i}": np.asarray(out.numpy()) for i, out in enumerate(outputs)}
    loss = None
    for out in outputs:
        if not out.stop_gradient:
            weights = np.cos(np.arange(out.size, dtype="float32")).reshape(out.shape)
            term = (out * p.to_tensor(weights)).sum()
            loss = term if loss is None else loss + term
    if loss is not None:
        loss.backward()
        for i, tensor in enumerate(tensors):
            if tensor.grad is not None:
                found[f"grad{i}"] = tensor.grad.numpy()
    return found


def main() -> None:
    import paddle

    recorded = {}
    for name, one in CASES.items():
        for key, array in run(paddle, one).items():
            recorded[f"{name}/{key}"] = array
    np.savez_compressed(Path(__file__).parent / "api.npz", **recorded)
    training = training_cases.results(paddle)
    np.savez_compressed(Path(__file__).parent / "training.npz", **training)
    print(f"paddle {paddle.__version__}: {len(CASES)} cases, {len(recorded)} arrays")


if __name__ == "__main__":
    main()
