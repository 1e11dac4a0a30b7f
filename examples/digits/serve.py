"""A server's side, in a process of its own: no compiler, no model source, only wherry.runtime.

usage: serve.py MODEL.so IMAGES.npy RESULT.npz     (START in the environment: when it was started)
"""

import os
import sys
import time

# Whatever a server does not have must not be needed: importing one of these fails from here on.
for missing in ("llvmlite", "gast", "model", "wherry.ir", "wherry.codegen", "wherry.jit"):
    sys.modules[missing] = None

import numpy as np  # noqa: E402
from stopwatch import microseconds  # noqa: E402

import wherry.runtime  # noqa: E402


def main() -> None:
    model, images_file, result_file = sys.argv[1:]
    predict = wherry.runtime.load(model)
    images = np.load(images_file)
    one = predict(images[:1])
    to_first_result = (time.time() - float(os.environ["START"])) * 1e3
    batches = {f"batch_{n}": predict(images[:n]) for n in (0, 1, 7)}
    np.savez(
        result_file,
        **batches,
        one=one,
        all=predict(images),
        start_ms=to_first_result,
        single_us=microseconds(lambda: predict(images[:1])),
    )


if __name__ == "__main__":
    main()
