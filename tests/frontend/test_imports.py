"""A script with Paddle's ways of importing runs unchanged under `wherry run`."""

import subprocess
import sys

SCRIPT = """
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
import paddle.distributed as dist
import paddle.tensor as pt
import paddle.vision.transforms as T
from paddle import Model, to_tensor
from paddle.amp import auto_cast
from paddle.autograd import PyLayer, hessian, jacobian
from paddle.callbacks import EarlyStopping
from paddle.distribution import Categorical, Normal
from paddle.framework import to_variable
from paddle.hapi.model import Model as Same
from paddle.io import DataLoader, Dataset
from paddle.metric import Accuracy
from paddle.nn.utils import spectral_norm, weight_norm
from paddle.tensor import add, fill_constant
from paddle.utils.download import get_weights_path_from_url
from paddle.vision.datasets import MNIST
from paddle.vision.models import LeNet, resnet18
from paddle.vision.transforms import Compose, functional

assert Model is Same and isinstance(to_variable([1.0]), paddle.Tensor)
assert add(to_tensor([1.0]), fill_constant([1], "float32", 2.0)).item() == 3.0
net = weight_norm(nn.Conv2D(1, 2, 3))
still = paddle.jit.to_static(net)
x = paddle.rand([1, 1, 5, 5])
assert float((still(x) - net(x)).abs().max()) < 1e-5
print(type(paddle.DataParallel(LeNet())).__name__, dist.get_rank())
"""


def test_a_script_imports_as_from_paddle(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "wherry", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "DataParallel 0\n"
