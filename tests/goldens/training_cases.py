"""Optimizers and learning rate schedulers, written once for paddle and wherry (see cases.py)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[Any, list[Any]], Any]

OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p, ps: p.optimizer.SGD(0.1, parameters=ps),
    "sgd_decay": lambda p, ps: p.optimizer.SGD(0.1, parameters=ps, weight_decay=0.05),
    "sgd_l1": lambda p, ps: p.optimizer.SGD(
        0.1, parameters=ps, weight_decay=p.regularizer.L1Decay(0.05)
    ),
    "momentum": lambda p, ps: p.optimizer.Momentum(0.1, 0.9, ps),
    "nesterov": lambda p, ps: p.optimizer.Momentum(0.1, 0.9, ps, use_nesterov=True),
    "momentum_decay": lambda p, ps: p.optimizer.Momentum(0.1, 0.9, ps, weight_decay=0.01),
    "adam": lambda p, ps: p.optimizer.Adam(0.05, parameters=ps),
    "adam_epsilon": lambda p, ps: p.optimizer.Adam(0.05, 0.8, 0.9, 0.1, parameters=ps),
    "adam_decay": lambda p, ps: p.optimizer.Adam(0.05, parameters=ps, weight_decay=0.1),
    "adamw": lambda p, ps: p.optimizer.AdamW(0.05, parameters=ps, weight_decay=0.1),
    "adamw_some": lambda p, ps: p.optimizer.AdamW(
        0.05, parameters=ps, weight_decay=0.1, apply_decay_param_fun=lambda name: name[0] == "f"
    ),
    "adagrad": lambda p, ps: p.optimizer.Adagrad(0.1, parameters=ps),
    "rmsprop": lambda p, ps: p.optimizer.RMSProp(0.05, parameters=ps, momentum=0.5),
    "rmsprop_centered": lambda p, ps: p.optimizer.RMSProp(0.05, parameters=ps, centered=True),
    "clip_value": lambda p, ps: p.optimizer.SGD(
        0.1, parameters=ps, grad_clip=p.nn.ClipGradByValue(0.3)
    ),
    "clip_norm": lambda p, ps: p.optimizer.SGD(
        0.1, parameters=ps, grad_clip=p.nn.ClipGradByNorm(0.3)
    ),
    "clip_global_norm_and_decay": lambda p, ps: p.optimizer.Momentum(
        0.1, 0.9, ps, weight_decay=0.1, grad_clip=p.nn.ClipGradByGlobalNorm(0.5)
    ),
    "groups": lambda p, ps: p.optimizer.SGD(
        0.1,
        parameters=[
            {"params": ps[:1], "learning_rate": 0.5},
            {"params": ps[1:], "weight_decay": 0.2},
        ],
    ),
    "scheduler": lambda p, ps: p.optimizer.Adam(
        p.optimizer.lr.StepDecay(0.1, 2, 0.5), parameters=ps
    ),
}

SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "noam": lambda lr: lr.NoamDecay(64, 4, 1.0),
    "piecewise": lambda lr: lr.PiecewiseDecay([3, 6], [1.0, 0.5, 0.1]),
    "natural": lambda lr: lr.NaturalExpDecay(0.5, 0.1),
    "inverse": lambda lr: lr.InverseTimeDecay(0.5, 0.1),
    "exponential": lambda lr: lr.ExponentialDecay(0.5, 0.9),
    "step": lambda lr: lr.StepDecay(0.5, 3, 0.5),
    "multi_step": lambda lr: lr.MultiStepDecay(0.5, [2, 5], 0.5),
    "polynomial": lambda lr: lr.PolynomialDecay(0.5, 6, 0.1, 2.0),
    "polynomial_cycle": lambda lr: lr.PolynomialDecay(0.5, 4, 0.1, cycle=True),
    "warmup": lambda lr: lr.LinearWarmup(0.5, 4, 0.1, 0.5),
    "warmup_then": lambda lr: lr.LinearWarmup(lr.ExponentialDecay(0.5, 0.9), 4, 0.1, 0.5),
    "lambda": lambda lr: lr.LambdaDecay(0.5, lambda epoch: 0.95**epoch),
    "multiplicative": lambda lr: lr.MultiplicativeDecay(0.5, lambda epoch: 0.95),
    "cosine": lambda lr: lr.CosineAnnealingDecay(0.5, 5, 0.1),
    "linear": lambda lr: lr.LinearLR(0.5, 5, 0.25, 0.75),
    "one_cycle": lambda lr: lr.OneCycleLR(0.5, 12),
    "one_cycle_three": lambda lr: lr.OneCycleLR(
        0.5, 20, 10.0, 0.01, 0.35, anneal_strategy="linear", three_phase=True
    ),
    "cyclic": lambda lr: lr.CyclicLR(0.1, 0.5, 3),
    "cyclic_halved": lambda lr: lr.CyclicLR(0.1, 0.5, 2, 3, mode="triangular2"),
    "cyclic_exp": lambda lr: lr.CyclicLR(0.1, 0.5, 2, mode="exp_range", exp_gamma=0.9),
    "cyclic_own": lambda lr: lr.CyclicLR(
        0.1, 0.5, 2, scale_fn=lambda n: 1 / (1 + n), scale_mode="iterations"
    ),
    "restarts": lambda lr: lr.CosineAnnealingWarmRestarts(0.5, 4, eta_min=0.1),
    "restarts_longer": lambda lr: lr.CosineAnnealingWarmRestarts(0.5, 2, 2),
}


_number = itertools.count()


def train(p: Any, make: Make, steps: int = 5) -> list[np.ndarray]:
    """The values of two parameters after each step."""
    rng = np.random.RandomState(0)
    params = []
    for name, shape in (("first", [3, 2]), ("second", [2])):
        initial = p.nn.initializer.Assign(rng.uniform(-1, 1, shape).astype("float32"))
        # Paddle wants each name once in a process.
        attr = p.ParamAttr(name=f"{name}_{next(_number)}", initializer=initial)
        params.append(p.create_parameter(shape, "float32", attr=attr))
    optimizer, found = make(p, params), []
    for _ in range(steps):
        x = p.to_tensor(rng.uniform(-1, 1, [4, 3]).astype("float32"))
        (p.matmul(x, params[0]) * params[1]).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        if not isinstance(optimizer._learning_rate, float):
            optimizer._learning_rate.step()
        found += [param.numpy() for param in params]
    return found


def rates(p: Any, make: Callable[[Any], Any], epochs: int = 12) -> np.ndarray:
    """The learning rate of each epoch."""
    scheduler, found = make(p.optimizer.lr), []
    for _ in range(epochs):
        found.append(scheduler())
        scheduler.step()
    return np.array(found, "float64")


def results(p: Any) -> dict[str, np.ndarray]:
    """All that is recorded, by name."""
    found = {}
    for name, make in OPTIMIZERS.items():
        for i, value in enumerate(train(p, make)):
            found[f"{name}/{i}"] = value
    for name, make_scheduler in SCHEDULERS.items():
        found[f"lr.{name}/rates"] = rates(p, make_scheduler)
    return found
