"""Training, forward and backward compiled inside the eager tape; the check with dynamic mode."""

import numpy as np
from model import Digits, DynamicLeNet, LeNet
from tqdm import tqdm

import wherry as paddle

SEED = 2024
EPOCHS = 12


def loader() -> paddle.io.DataLoader:
    return paddle.io.DataLoader(Digits("train"), batch_size=64, shuffle=True)


def optimizer_for(net: paddle.nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.Adam(learning_rate=2e-3, parameters=net.parameters())


def step(net, optimizer, image, label) -> float:
    """One training step; returns the loss."""
    loss = paddle.nn.CrossEntropyLoss()(net(image), label)
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return float(loss)


def train() -> LeNet:
    """Train the compiled network; the bar shows epoch, loss, accuracy and the time left."""
    paddle.seed(SEED)
    net = LeNet()
    optimizer, batches = optimizer_for(net), loader()
    with tqdm(total=EPOCHS * len(batches), disable=None, unit="step") as bar:
        for epoch in range(EPOCHS):
            for image, label in batches:
                loss = step(net, optimizer, image, label)
                bar.update()
            bar.set_description(
                f"epoch {epoch + 1}/{EPOCHS}  loss {loss:.4f}  accuracy {accuracy(net):.2%}"
            )
    return net


def accuracy(net: paddle.nn.Layer) -> float:
    """The share of held-back digits that the network names right."""
    held_back = Digits("test")
    net.eval()
    with paddle.no_grad():
        scores = net(paddle.to_tensor(held_back.images)).numpy()
    net.train()
    return float(np.mean(scores.argmax(1) == held_back.labels))


def largest_difference_to_dynamic(epochs: int = 5) -> float:
    """Train compiled and dynamic side by side, dropout on, each step from equal state.

    Returns the largest difference of a parameter, buffer or loss that one step makes.
    """
    paddle.seed(SEED)
    compiled, dynamic = LeNet(), DynamicLeNet()
    optimizers = optimizer_for(compiled), optimizer_for(dynamic)
    worst = 0.0
    with tqdm(total=epochs * len(loader()), disable=None, unit="step", leave=False) as bar:
        bar.set_description("compiled beside dynamic")
        for _ in range(epochs):
            for image, label in loader():
                worst = max(worst, _step_both(compiled, dynamic, optimizers, image, label))
                bar.update()
    return worst


def _step_both(compiled, dynamic, optimizers, image, label) -> float:
    """One step of each from the compiled one's state; returns the largest difference."""
    _copy_state(compiled, dynamic, optimizers)
    random_state = paddle.get_rng_state()
    first = step(compiled, optimizers[0], image, label)
    paddle.set_rng_state(random_state)
    second = step(dynamic, optimizers[1], image, label)
    ours, theirs = compiled.state_dict(), dynamic.state_dict()
    return max(
        abs(first - second),
        *(float(np.abs(ours[name].numpy() - theirs[name].numpy()).max()) for name in ours),
    )


def _copy_state(source, target, optimizers) -> None:
    target.set_state_dict(source.state_dict())
    moments = optimizers[0].state_dict()
    names = {p.name: q.name for p, q in zip(source.parameters(), target.parameters(), strict=True)}
    renamed = {}
    for key, value in moments.items():
        old = max((name for name in names if key.startswith(name)), key=len, default=None)
        renamed[names[old] + key[len(old) :] if old else key] = value
    optimizers[1].set_state_dict(renamed)
