"""The whole way once: train a LeNet on real digits, compile it, serve it from a fresh process.

usage: python examples/digits/demo.py        (or `make demo`)
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from model import Digits, DynamicLeNet
from picture import draw_grid
from stopwatch import microseconds
from train import accuracy, largest_difference_to_dynamic, train

import wherry as paddle
from wherry.static import InputSpec

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"


def main() -> None:
    BUILD.mkdir(exist_ok=True)
    os.chdir(BUILD.parent)
    difference = largest_difference_to_dynamic()
    print(f"five epochs beside dynamic mode: largest difference of a step {difference:.1e}")
    check(difference <= 1e-5, "compiled training agrees with dynamic mode within 1e-5 a step")
    net = train()
    held_back = Digits("test")
    share = accuracy(net)
    print(f"accuracy on {len(held_back)} held-back digits: {share:.2%}")
    check(share >= 0.97, "at least 97 % of the held-back digits are right")
    net.eval()
    paddle.jit.save(net, "build/digits", [InputSpec([None, 1, 8, 8], "float32", "image")])
    subprocess.run([sys.executable, "-m", "wherry", "compile", "build/digits"], check=True)
    served = serve(held_back.images)
    report(net, held_back, served)
    draw_grid(BUILD / "digits.png", held_back.images, held_back.labels, served["all"])
    print("wrote build/digits.png")


def serve(images: np.ndarray) -> dict[str, np.ndarray]:
    """Predict in a fresh process, started where the model's source is not importable."""
    np.save(BUILD / "images.npy", images)
    arguments = [str(HERE / "serve.py"), "build/digits.so", "build/images.npy", "build/served.npz"]
    environment = {**os.environ, "START": repr(time.time())}
    subprocess.run([sys.executable, *arguments], check=True, env=environment)
    return dict(np.load(BUILD / "served.npz"))


def report(net: paddle.nn.Layer, held_back: Digits, served: dict[str, np.ndarray]) -> None:
    """Print the figures, and stop where one is not as promised."""
    dynamic = DynamicLeNet()
    dynamic.set_state_dict(net.state_dict())
    dynamic.eval()
    with paddle.no_grad():
        want = dynamic(paddle.to_tensor(held_back.images)).numpy()
        one = paddle.to_tensor(held_back.images[:1])
        dynamic_us, compiled_us = microseconds(lambda: dynamic(one)), microseconds(lambda: net(one))
    for name in ("batch_0", "batch_1", "batch_7", "all"):
        rows = served[name]
        check(rows.shape == (len(rows), 10), f"{name} has the shape [N, 10]")
        check(np.abs(rows - want[: len(rows)]).max(initial=0) <= 1e-5, f"{name} is dynamic mode's")
    correct = np.mean(served["all"].argmax(1) == held_back.labels)
    print("in a fresh process, without the model's source, llvmlite and gast:")
    print(f"  accuracy {correct:.2%}, batches of 0, 1, 7 and {len(held_back)} from one digits.so")
    print(f"  largest difference to dynamic mode {np.abs(served['all'] - want).max():.1e}")
    print(f"  {float(served['start_ms']):.0f} ms from process start to first result")
    print(
        f"  batch 1, microseconds an image: dynamic {dynamic_us:.0f}, "
        f"compiled in-process {compiled_us:.0f}, runtime {float(served['single_us']):.0f}"
    )


def check(condition: bool, promise: str) -> None:
    if not condition:
        raise SystemExit(f"demo: not true: {promise}")


if __name__ == "__main__":
    main()
