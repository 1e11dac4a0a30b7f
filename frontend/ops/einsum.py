"""einsum: sums of products by a formula of subscripts, as transposes and batched products."""

from __future__ import annotations

from typing import Any

from ..dispatch import run_op
from ..tensor import Tensor
from .convert import promote_floats
from .linalg import matmul
from .shape import diagonal

_SPARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum over the subscripts that the right side of the equation does not name.

    Without `->` the result has, in alphabetical order, the subscripts that occur once; `...` stands
    for axes that broadcast. Raises ValueError for an equation that does not fit.

    >>> import wherry as paddle
    >>> paddle.einsum("ij,jk->ik", paddle.ones([2, 3]), paddle.ones([3, 4])).shape
    [2, 4]
    """
    tensors = (
        list(operands[0])
        if len(operands) == 1 and not isinstance(operands[0], Tensor)
        else list(operands)
    )
    inputs, output = _parsed(equation, tensors)
    terms = [
        _reduced(t, s, _others(inputs, i, output))
        for i, (t, s) in enumerate(zip(tensors, inputs, strict=True))
    ]
    result, labels = terms[0]
    for i, (tensor, subscripts) in enumerate(terms[1:], start=2):
        needed = set(output).union(*(s for _, s in terms[i:]))
        result, labels = _contracted(result, labels, tensor, subscripts, needed)
    result, labels = _reduced(result, labels, set(output))
    return _ordered(result, labels, output)


def _parsed(equation: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        raise ValueError(f"einsum {equation!r} is for {len(parts)} operands, got {len(tensors)}")
    rank = 0
    for part, tensor in zip(parts, tensors, strict=True):
        named = len(part.replace("...", ""))
        if tensor.ndim < named or ("..." not in part and tensor.ndim != named):
            raise ValueError(f"einsum: {part!r} does not fit a Tensor of shape {tensor.shape}")
        rank = max(rank, tensor.ndim - named)
    spare = _SPARE[-rank:] if rank else ""
    inputs = []
    for part, tensor in zip(parts, tensors, strict=True):
        own = tensor.ndim - len(part.replace("...", ""))
        inputs.append(part.replace("...", spare[rank - own :]))
    if arrow:
        output = right.replace("...", spare)
    else:
        joined = "".join(inputs)
        output = spare + "".join(
            sorted(c for c in set(joined) - set(spare) if joined.count(c) == 1)
        )
    unknown = set(output) - set("".join(inputs))
    if unknown or len(set(output)) != len(output):
        raise ValueError(f"einsum {equation!r}: the right side names {sorted(unknown)} wrongly")
    return inputs, output


def _others(inputs: list[str], index: int, output: str) -> set[str]:
    return set(output).union(*(s for i, s in enumerate(inputs) if i != index))


def _reduced(x: Tensor, labels: str, needed: set[str]) -> tuple[Tensor, str]:
    """x with repeated subscripts as a diagonal, and those that nobody needs summed."""
    for label in sorted(set(labels)):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            labels = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + label
    gone = [i for i, label in enumerate(labels) if label not in needed]
    if gone:
        x = run_op("reduce_sum", x, dim=gone)
        labels = "".join(label for label in labels if label in needed)
    return x, labels


def _contracted(a: Tensor, la: str, b: Tensor, lb: str, needed: set[str]) -> tuple[Tensor, str]:
    """Two operands as one batched matrix product."""
    a, b = promote_floats(a, b)
    shared = [c for c in la if c in lb]
    batch = [c for c in shared if c in needed or 1 in (_size(a, la, c), _size(b, lb, c))]
    summed = [c for c in shared if c not in batch]
    rows, columns = [c for c in la if c not in shared], [c for c in lb if c not in shared]
    left = _shaped(a, la, batch, rows, summed)
    right = _shaped(b, lb, batch, summed, columns)
    product = matmul(left, right)
    sizes = [*product.shape[: len(batch)], *(_size(a, la, c) for c in rows)]
    sizes += [_size(b, lb, c) for c in columns]
    out: Tensor = run_op("reshape2", product, shape=sizes)
    return out, "".join([*batch, *rows, *columns])


def _size(x: Tensor, labels: str, label: str) -> Any:
    return x.shape[labels.index(label)]


def _shaped(
    x: Tensor, labels: str, batch: list[str], first: list[str], second: list[str]
) -> Tensor:
    """x as [*batch, product of first, product of second]."""
    order = [labels.index(c) for c in [*batch, *first, *second]]
    moved = x if order == list(range(x.ndim)) else run_op("transpose2", x, axis=order)
    sizes = [_size(x, labels, c) for c in batch]
    for group in (first, second):
        total = 1
        for c in group:
            total = _size(x, labels, c) * total
        sizes.append(total)
    return run_op("reshape2", moved, shape=sizes)  # type: ignore[no-any-return]


def _ordered(x: Tensor, labels: str, output: str) -> Tensor:
    order = [labels.index(c) for c in output]
    return x if order == list(range(x.ndim)) else run_op("transpose2", x, axis=order)
