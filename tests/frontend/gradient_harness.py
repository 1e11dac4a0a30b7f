"""Gradients of the eager tape against central differences."""

import numpy as np

import wherry as paddle


def leaf(value, dtype="float64"):
    """A leaf that wants a gradient."""
    return paddle.to_tensor(np.asarray(value, dtype), stop_gradient=False)


def numeric_gradient(function, arrays, index, step=1e-6):
    """The gradient of sum(function(*arrays)) with respect to one array, by central differences."""
    grad = np.zeros_like(arrays[index])
    for position in np.ndindex(*grad.shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[index][position] += sign * step
            with paddle.no_grad():
                sides.append(function(*map(paddle.to_tensor, moved)).sum().item())
        grad[position] = (sides[0] - sides[1]) / (2 * step)
    return grad


def check_gradients(function, *arrays, rtol=1e-5, atol=1e-7):
    """Backward agrees with central differences for every (float64) array."""
    leaves = [leaf(array) for array in arrays]
    function(*leaves).sum().backward()
    for i, tensor in enumerate(leaves):
        expected = numeric_gradient(function, [np.asarray(a, "float64") for a in arrays], i)
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=rtol, atol=atol)
