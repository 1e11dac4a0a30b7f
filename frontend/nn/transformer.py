"""Attention and the Transformer's layers."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ..ops import creation, shape
from ..tensor import Tensor
from . import functional as F
from .common import Dropout, Linear
from .container import LayerList
from .functional.attention import additive_mask, attend
from .layer import Layer
from .norm import LayerNorm


class MultiHeadAttention(Layer):
    """softmax(q k / sqrt(d)) v in several heads: query [B, Lq, E], key and value [B, Lk, ...].

    >>> import wherry as paddle
    >>> MultiHeadAttention(4, 2)(paddle.ones([1, 3, 4])).shape
    [1, 3, 4]
    """

    Cache = namedtuple("Cache", ["k", "v"])
    StaticCache = namedtuple("StaticCache", ["k", "v"])

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, kdim: int | None = None,
        vdim: int | None = None, need_weights: bool = False, weight_attr: Any = None,
        bias_attr: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(
                f"num_heads must divide embed_dim, both > 0, got {num_heads} and {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.need_weights = dropout, need_weights
        self.q_proj = Linear(embed_dim, embed_dim, weight_attr, bias_attr)
        self.k_proj = Linear(kdim or embed_dim, embed_dim, weight_attr, bias_attr)
        self.v_proj = Linear(vdim or embed_dim, embed_dim, weight_attr, bias_attr)
        self.out_proj = Linear(embed_dim, embed_dim, weight_attr, bias_attr)

    def _heads(self, x: Tensor) -> Tensor:
        """[B, L, E] as [B, heads, L, E / heads]."""
        split = shape.reshape(x, [0, 0, self.num_heads, self.head_dim])
        return shape.transpose(split, [0, 2, 1, 3])

    def compute_kv(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The projected key and value, by heads."""
        return self._heads(self.k_proj(key)), self._heads(self.v_proj(value))

    def gen_cache(self, key: Tensor, value: Tensor | None = None, type: Any = Cache) -> Any:
        """An empty cache for decoding, one of fixed keys (StaticCache), or one of these."""
        if type is MultiHeadAttention.StaticCache:
            return self.StaticCache(*self.compute_kv(key, key if value is None else value))
        if value is not None:
            return self.Cache(key, value)
        empty = creation.zeros([key.shape[0], self.num_heads, 0, self.head_dim], key.dtype)
        return self.Cache(empty, empty)

    def forward(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None,
        attn_mask: Tensor | None = None, cache: Any = None,
    ) -> Any:  # fmt: skip
        key, value = query if key is None else key, query if value is None else value
        q = self._heads(self.q_proj(query))
        k, v = cache if isinstance(cache, self.StaticCache) else self.compute_kv(key, value)
        if isinstance(cache, self.Cache):
            k, v = shape.concat([cache.k, k], 2), shape.concat([cache.v, v], 2)
            cache = self.Cache(k, v)
        out, weights = attend(q, k, v, attn_mask, self.dropout, self.training)
        joined = shape.reshape(shape.transpose(out, [0, 2, 1, 3]), [0, 0, self.embed_dim])
        results = [self.out_proj(joined), *([weights] if self.need_weights else [])]
        results += [] if cache is None else [cache]
        return results[0] if len(results) == 1 else tuple(results)


def _pick(attr: Any, index: int) -> Any:
    """One of several attrs, or the one for all."""
    return attr[index] if isinstance(attr, (list, tuple)) else attr


class _Block(Layer):
    """What encoder and decoder layers share: the feed-forward part and where the norms stand."""

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__new__(cls)
        object.__setattr__(made, "_made_with", (args, kwargs))
        return made

    def another(self) -> _Block:
        """A further layer like this one, with first values and names of its own."""
        args, kwargs = self._made_with
        made: _Block = type(self)(*args, **kwargs)
        return made

    def _feed_forward(
        self, d_model: int, size: int, dropout: float, inner: float | None, activation: str,
        weight: Any, bias: Any,
    ) -> None:  # fmt: skip
        self.linear1 = Linear(d_model, size, weight, bias)
        self.dropout = Dropout(dropout if inner is None else inner)
        self.linear2 = Linear(size, d_model, weight, bias)
        self.activation = getattr(F, activation)

    def _fed(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return out


class TransformerEncoderLayer(_Block):
    """Self-attention and a feed-forward part, each with dropout, a residual and a LayerNorm."""

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int, dropout: float = 0.1,
        activation: str = "relu", attn_dropout: float | None = None,
        act_dropout: float | None = None, normalize_before: bool = False, weight_attr: Any = None,
        bias_attr: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalize_before = normalize_before
        attention = dropout if attn_dropout is None else attn_dropout
        self.self_attn = MultiHeadAttention(
            d_model,
            nhead,
            attention,
            weight_attr=_pick(weight_attr, 0),
            bias_attr=_pick(bias_attr, 0),
        )
        self._feed_forward(d_model, dim_feedforward, dropout, act_dropout, activation,
                           _pick(weight_attr, 1), _pick(bias_attr, 1))  # fmt: skip
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, src: Tensor, src_mask: Tensor | None = None, cache: Any = None) -> Any:
        x = self.norm1(src) if self.normalize_before else src
        attended = self.self_attn(x, x, x, src_mask, cache)
        if cache is not None:
            attended, cache = attended
        x = src + self.dropout1(attended)
        x = x if self.normalize_before else self.norm1(x)
        fed = self._fed(self.norm2(x) if self.normalize_before else x)
        x = x + self.dropout2(fed)
        x = x if self.normalize_before else self.norm2(x)
        return x if cache is None else (x, cache)

    def gen_cache(self, src: Tensor) -> Any:
        """An empty cache for this layer."""
        return self.self_attn.gen_cache(src)


class TransformerDecoderLayer(_Block):
    """Self-attention, attention to the encoder's output and a feed-forward part."""

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int, dropout: float = 0.1,
        activation: str = "relu", attn_dropout: float | None = None,
        act_dropout: float | None = None, normalize_before: bool = False, weight_attr: Any = None,
        bias_attr: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalize_before = normalize_before
        attention = dropout if attn_dropout is None else attn_dropout
        self.self_attn, self.cross_attn = (
            MultiHeadAttention(d_model, nhead, attention, weight_attr=_pick(weight_attr, i),
                               bias_attr=_pick(bias_attr, i))
            for i in (0, 1)
        )  # fmt: skip
        self._feed_forward(d_model, dim_feedforward, dropout, act_dropout, activation,
                           _pick(weight_attr, 2), _pick(bias_attr, 2))  # fmt: skip
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.norm3 = LayerNorm(d_model)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.dropout3 = Dropout(dropout)

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, cache: Any = None,
    ) -> Any:  # fmt: skip
        before = self.normalize_before
        x = self.norm1(tgt) if before else tgt
        attended = self.self_attn(x, x, x, tgt_mask, None if cache is None else cache[0])
        if cache is not None:
            attended, grown = attended
        x = tgt + self.dropout1(attended)
        x = x if before else self.norm1(x)
        query = self.norm2(x) if before else x
        attended = self.cross_attn(
            query, memory, memory, memory_mask, None if cache is None else cache[1]
        )
        if cache is not None:
            attended, fixed = attended
        x = x + self.dropout2(attended)
        x = x if before else self.norm2(x)
        x = x + self.dropout3(self._fed(self.norm3(x) if before else x))
        x = x if before else self.norm3(x)
        return x if cache is None else (x, (grown, fixed))

    def gen_cache(self, memory: Tensor) -> tuple[Any, Any]:
        """An empty cache of the own keys, and one of the encoder's."""
        fixed = self.cross_attn.gen_cache(memory, memory, type=MultiHeadAttention.StaticCache)
        return self.self_attn.gen_cache(memory), fixed


class TransformerEncoder(Layer):
    """num_layers copies of an encoder layer (with first values of their own), and a norm.

    >>> import wherry as paddle
    >>> encoder = TransformerEncoder(TransformerEncoderLayer(4, 2, 8), 2)
    >>> encoder(paddle.ones([1, 3, 4])).shape
    [1, 3, 4]
    """

    def __init__(self, encoder_layer: Layer, num_layers: int, norm: Layer | None = None) -> None:
        super().__init__()
        self.layers = LayerList(
            [encoder_layer, *(encoder_layer.another() for _ in range(num_layers - 1))]
        )
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src: Tensor, src_mask: Tensor | None = None, cache: Any = None) -> Any:
        mask, caches = additive_mask(src_mask, src), []
        for i, layer in enumerate(self.layers):
            src = layer(src, mask, None if cache is None else cache[i])
            if cache is not None:
                src, grown = src
                caches.append(grown)
        src = src if self.norm is None else self.norm(src)
        return src if cache is None else (src, caches)

    def gen_cache(self, src: Tensor) -> list[Any]:
        """An empty cache for each layer."""
        return [layer.gen_cache(src) for layer in self.layers]


class TransformerDecoder(Layer):
    """num_layers copies of a decoder layer (with first values of their own), and a norm."""

    def __init__(self, decoder_layer: Layer, num_layers: int, norm: Layer | None = None) -> None:
        super().__init__()
        self.layers = LayerList(
            [decoder_layer, *(decoder_layer.another() for _ in range(num_layers - 1))]
        )
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, cache: Any = None,
    ) -> Any:  # fmt: skip
        tgt_mask, memory_mask = additive_mask(tgt_mask, tgt), additive_mask(memory_mask, memory)
        caches = []
        for i, layer in enumerate(self.layers):
            tgt = layer(tgt, memory, tgt_mask, memory_mask, None if cache is None else cache[i])
            if cache is not None:
                tgt, grown = tgt
                caches.append(grown)
        tgt = tgt if self.norm is None else self.norm(tgt)
        return tgt if cache is None else (tgt, caches)

    def gen_cache(self, memory: Tensor, do_zip: bool = False) -> list[Any]:
        """A cache for each layer."""
        made = [layer.gen_cache(memory) for layer in self.layers]
        return list(zip(*made, strict=True)) if do_zip else made


class Transformer(Layer):
    """The encoder and decoder of Vaswani et al. (2017)."""

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6,
        num_decoder_layers: int = 6, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str = "relu", attn_dropout: float | None = None,
        act_dropout: float | None = None, normalize_before: bool = False, weight_attr: Any = None,
        bias_attr: Any = None, custom_encoder: Layer | None = None,
        custom_decoder: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.d_model, self.nhead = d_model, nhead
        shared = (d_model, nhead, dim_feedforward, dropout, activation, attn_dropout, act_dropout,
                  normalize_before, weight_attr, bias_attr)  # fmt: skip
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*shared), num_encoder_layers, LayerNorm(d_model)
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*shared), num_decoder_layers, LayerNorm(d_model)
        )

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        memory = self.encoder(src, src_mask)
        out: Tensor = self.decoder(tgt, memory, tgt_mask, memory_mask)
        return out

    def generate_square_subsequent_mask(self, length: int) -> Tensor:
        """[length, length]: 0 up to the diagonal, -inf after it."""
        return creation.triu(creation.full([length, length], float("-inf")), 1)


__all__ = [
    "MultiHeadAttention", "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
    "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip
