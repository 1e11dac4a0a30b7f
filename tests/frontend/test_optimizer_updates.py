"""Steps in dynamic mode: compiled, interpreted, in any memory, and in classes of your own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wherry as paddle
import wherry.codegen
from wherry.optimizer import Optimizer, updates
from wherry.schema.errors import CompilerMissingError
from wherry.tensor import Parameter

RULES: dict[str, dict[str, Any]] = {
    "SGD": {"weight_decay": 0.1}, "Momentum": {"weight_decay": 0.1, "use_nesterov": True},
    "Adam": {}, "AdamW": {"lr_ratio": lambda param: 0.5}, "Adagrad": {}, "Adamax": {},
    "Adadelta": {}, "RMSProp": {"centered": True}, "Lamb": {},
}  # fmt: skip


def trained(name: str, values: Any) -> tuple[Any, dict[str, Any]]:
    """The parameter after three steps, and what the optimizer keeps."""
    param = Parameter(values, True, "w")
    rule = getattr(paddle.optimizer, name)(learning_rate=0.1, parameters=[param], **RULES[name])
    for step in range(3):
        param.grad = paddle.to_tensor(np.linspace(-1, 2 + step, 12, dtype="float32").reshape(3, 4))
        rule.step()
    return param, {key: value.numpy() for key, value in rule.state_dict().items()}


def values() -> Any:
    return np.linspace(-2, 1, 12, dtype="float32").reshape(3, 4)


@pytest.mark.parametrize("name", RULES)
def test_compiled_interpreted_and_strided_steps_agree(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, kept = trained(name, values())
    strided = np.zeros((4, 6), "float32").T[::2]
    strided[...] = values()
    assert not strided.flags.c_contiguous
    found, same = trained(name, strided)
    assert found.array is strided and compiled.tolist() == found.tolist()
    assert all(np.array_equal(kept[key], same[key]) for key in kept)

    def missing(*_: Any, **__: Any) -> None:
        raise CompilerMissingError("no llvmlite")

    updates._update.cache_clear()
    monkeypatch.setattr(wherry.codegen, "jit", missing, raising=False)
    found, same = trained(name, values())
    updates._update.cache_clear()
    np.testing.assert_allclose(found.array, compiled.array, rtol=1e-5)
    for key, value in kept.items():
        np.testing.assert_allclose(same[key], value, rtol=1e-5, atol=1e-7)


def test_one_code_serves_all_sizes() -> None:
    before = wherry.codegen.compile_count()
    net = paddle.nn.Sequential(*(paddle.nn.Linear(n, n) for n in range(2, 7)))
    rule = paddle.optimizer.Adam(0.1, 0.123, parameters=net.parameters())
    for param in net.parameters():
        param.grad = paddle.ones(param.shape)
    rule.step()
    assert wherry.codegen.compile_count() == before + 1


def test_a_class_of_your_own_may_build_on_ours_or_none() -> None:
    class Halved(paddle.optimizer.SGD):
        def update(self, param: Any, grad: Any, lr: float, group: Any) -> None:
            super().update(param, grad, lr / 2, group)

    class Signs(Optimizer):
        def update(self, param: Any, grad: Any, lr: float, group: Any) -> None:
            param.array -= lr * np.sign(grad)

    for kind, wanted in ((Halved, [0.8, 1.2]), (Signs, [0.9, 1.1])):
        param = Parameter(np.ones(2, "float32"), True, "w")
        param.grad = paddle.to_tensor([4.0, -4.0])
        kind(0.1, parameters=[param]).step()
        np.testing.assert_allclose(param.tolist(), wanted, rtol=1e-6)
    nothing = Optimizer(0.1, parameters=[param])
    with pytest.raises(NotImplementedError, match="Optimizer does not say how it changes"):
        nothing.step()
