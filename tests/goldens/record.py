"""Record what real Paddle gives for the cases: python tests/goldens/record.py [file of cases] ...

Run it in a venv of its own after `pip install paddlepaddle==2.6.2 'numpy<2' setuptools`. Writes
an .npz for each file of cases, and training.npz, beside this file; with names only the .npz of
these. The project itself never needs Paddle.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import rnn_cases
import training_cases
from cases import CASES, Case

# A file of cases, and the file in which their results are.
FILES = {
    "cases": "api.npz", "cases_forms": "forms.npz", "cases_images": "images.npz",
    "cases_vision": "vision.npz", "cases_elements": "elements.npz",
    "cases_distribution": "distribution.npz",
    "cases_linalg": "linalg.npz",
}  # fmt: skip


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


def cases_of(module: str) -> list[str]:
    """The names of the cases in a file; imports it."""
    import_module(module)
    return [name for name, one in CASES.items() if one.call.__module__ == module]


def main() -> None:
    import paddle

    here, chosen = Path(__file__).parent, sys.argv[1:]
    for module, file in FILES.items():
        own = cases_of(module)
        if chosen and module not in chosen:
            continue
        recorded = {}
        for name in own:
            for key, array in run(paddle, CASES[name]).items():
                recorded[f"{name}/{key}"] = array
        np.savez_compressed(here / file, **recorded)
        print(f"paddle {paddle.__version__}: {module}, {len(own)} cases, {len(recorded)} arrays")
    if not chosen or "training_cases" in chosen:
        np.savez_compressed(here / "training.npz", **training_cases.results(paddle))
    if not chosen or "rnn_cases" in chosen:
        np.savez_compressed(here / "rnn.npz", **rnn_cases.all_results(paddle))


if __name__ == "__main__":
    main()
