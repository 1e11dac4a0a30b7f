"""The loss of connectionist temporal classification, and its gradient (Graves et al., 2006).

The probability of a labelling is the sum over all paths of one class (or the blank) per step that
collapse to it. `alpha` and `beta` are logarithms of the sums over the paths to a state and from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import RunError

Array = np.ndarray[Any, Any]


def ctc_loss(
    logits: Array, labels: Array, steps: Array, lengths: Array, *, blank: int, norm_by_times: bool
) -> tuple[Array, Array]:
    """The losses [B, 1] of logits [T, B, C] and labels [B, L], and their gradient in the logits.

    `steps` and `lengths` say how many steps and labels of each example count.
    """
    _check(logits, labels, steps, lengths, blank)
    batch = logits.shape[1]
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(2, keepdims=True) if logits.shape[2] else wide
    log_probs = shifted - np.log(np.exp(shifted).sum(2, keepdims=True))
    losses, gradient = np.zeros((batch, 1)), np.zeros(logits.shape)
    for b in range(batch):
        t, states = int(steps[b]), _states(labels[b, : lengths[b]], blank)
        if not t:
            losses[b] = 0.0 if len(states) == 1 else np.inf
            continue
        seen = log_probs[:t, b, states]
        skips = np.zeros(len(states), bool)
        skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
        alpha = _forward(seen, skips)
        back = np.zeros(len(states), bool)
        back[2:] = skips[::-1][:-2]
        beta = _forward(seen[::-1, ::-1], back)[::-1, ::-1]
        total = np.logaddexp.reduce(alpha[-1, -2:])
        losses[b] = -total
        if np.isfinite(total):
            # alpha and beta both contain the step itself.
            share = np.exp(alpha + beta - seen - total)
            gradient[:t, b] = np.exp(log_probs[:t, b])
            places: Any = (slice(None), states)
            np.subtract.at(gradient[:t, b], places, share)
            gradient[:t, b] /= t if norm_by_times else 1
    return losses.astype(logits.dtype), gradient.astype(logits.dtype)


def _check(logits: Array, labels: Array, steps: Array, lengths: Array, blank: int) -> None:
    time, _, classes = logits.shape
    if not 0 <= blank < classes:
        raise RunError(f"needs a blank among the {classes} classes, got {blank}")
    for name, found, most in (("input", steps, time), ("label", lengths, labels.shape[1])):
        if found.size and not 0 <= found.min() <= found.max() <= most:
            raise RunError(f"needs {name} lengths from 0 to {most}, got {found.tolist()}")
    used = labels[np.arange(labels.shape[1]) < lengths[:, None]]
    if used.size and not 0 <= used.min() <= used.max() < classes:
        raise RunError(f"needs labels from 0 to {classes - 1}, got {used.tolist()}")


def _states(labels: Array, blank: int) -> Array:
    """The labels with blanks around each."""
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    return states


def _forward(seen: Array, skips: Array) -> Array:
    """The logarithms of the sums over all paths from the start to each state at each step.

    A path stays, goes on by one state, or by two where `skips` holds for the state it reaches.
    """
    found = np.full(seen.shape, -np.inf)
    found[0, :2] = seen[0, :2]
    for t in range(1, len(seen)):
        last = found[t - 1]
        reached = last.copy()
        reached[1:] = np.logaddexp(reached[1:], last[:-1])
        two = np.where(skips[2:], last[:-2], -np.inf)
        reached[2:] = np.logaddexp(reached[2:], two)
        found[t] = reached + seen[t]
    return found
