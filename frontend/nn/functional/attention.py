"""Attention: softmax(query key^T / sqrt(d)) value."""

from __future__ import annotations

from ...ops import shape
from ...ops.convert import cast_to, need_tensor
from ...ops.creation import full, triu
from ...ops.linalg import matmul
from ...tensor import Tensor
from .activation import softmax
from .common import dropout as drop


def additive_mask(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask to be added to scores: where a bool or integer mask is 0, -1e9."""
    if mask is None or mask.dtype is like.dtype:
        return mask
    added = cast_to(mask, like.dtype)
    return added if mask.dtype.is_float else (added - 1.0) * 1e9


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, training: bool
) -> tuple[Tensor, Tensor]:
    """What the heads give, [B, heads, L, D], and their weights, [B, heads, L, S].

    query [B, heads, L, D], key and value [B, heads, S, D]; the mask broadcasts to the weights.
    """
    scores = matmul(query * query.shape[-1] ** -0.5, key, transpose_y=True)
    mask = additive_mask(mask, scores)
    weights = softmax(scores if mask is None else scores + mask)
    if dropout:
        weights = drop(weights, dropout, training=training)
    return matmul(weights, value), weights


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, training: bool = True,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Attention of query [B, L, heads, D] to key and value [B, S, heads, D]: [B, L, heads, D].

    `attn_mask` [B or 1, heads or 1, L, S] is added to the scores; a bool mask is True where a key
    is seen. `is_causal` hides key j from query i < j. Raises OpError where sizes do not fit.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([[[[1.0]], [[3.0]]]])
    >>> paddle.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)[0, 0].tolist()
    [[1.0]]
    """
    for what, tensor in (("query", query), ("key", key), ("value", value)):
        need_tensor(tensor, "scaled_dot_product_attention", what)
    q, k, v = (shape.transpose(one, [0, 2, 1, 3]) for one in (query, key, value))
    mask = additive_mask(attn_mask, query)
    if is_causal:
        hidden = triu(full([query.shape[1], key.shape[1]], -1e9, query.dtype), 1)
        mask = hidden if mask is None else mask + hidden
    out, _ = attend(q, k, v, mask, dropout_p, training)
    return shape.transpose(out, [0, 2, 1, 3])
