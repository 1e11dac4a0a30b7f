"""Linear, Embedding, Dropout, Flatten and other everyday layers."""

from __future__ import annotations

from typing import Any

from ..ops import shape
from ..tensor import Tensor
from ..traced import Traced
from . import functional as F
from .layer import Layer


class Identity(Layer):
    """Gives back what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Layer):
    """x @ weight + bias: x [..., in_features], weight [in_features, out_features], bias
    [out_features].

    A bias_attr of False leaves the bias out. Raises OpError with the user's line for an x that does
    not fit.

    >>> import wherry as paddle
    >>> paddle.nn.Linear(2, 4)(paddle.ones([3, 2])).shape
    [3, 4]
    """

    def __init__(
        self, in_features: int, out_features: int, weight_attr: Any = None, bias_attr: Any = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        self.weight = self.create_parameter([in_features, out_features], weight_attr)
        self.bias = self.create_parameter([out_features], bias_attr, is_bias=True)
        self.name = name

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        inputs, outputs = self.weight.shape
        name = f", name={self.name}" if self.name else ""
        return f"in_features={inputs}, out_features={outputs}, dtype={self._dtype.name}{name}"


class Embedding(Layer):
    """The rows of a learned weight [num_embeddings, embedding_dim] at integer ids of any shape.

    >>> import wherry as paddle
    >>> paddle.nn.Embedding(10, 3)(paddle.to_tensor([[1, 2]])).shape
    [1, 2, 3]
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        sparse: bool = False, weight_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        if num_embeddings <= 0 or embedding_dim <= 0:
            raise ValueError(
                f"num_embeddings and embedding_dim must be > 0, got {num_embeddings}, "
                f"{embedding_dim}"
            )
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"padding_idx must be within [-{num_embeddings}, {num_embeddings}), got "
                f"{padding_idx}"
            )
        self._num_embeddings, self._embedding_dim, self._sparse = (
            num_embeddings,
            embedding_dim,
            sparse,
        )
        self._padding_idx = padding_idx
        self._size = [num_embeddings, embedding_dim]
        self.weight = self.create_parameter(self._size, weight_attr)
        if padding_idx is not None and not isinstance(self.weight, Traced):
            self.weight.array[padding_idx] = 0

    def forward(self, x: Tensor) -> Tensor:
        return F.embedding(x, self.weight, self._padding_idx, self._sparse)

    def extra_repr(self) -> str:
        padding = f", padding_idx={self._padding_idx}" if self._padding_idx is not None else ""
        return f"{self._num_embeddings}, {self._embedding_dim}{padding}, sparse={self._sparse}"


class Flatten(Layer):
    """The axes from start_axis to stop_axis made into one; by default all but the batch.

    >>> import wherry as paddle
    >>> paddle.nn.Flatten()(paddle.ones([2, 3, 4])).shape
    [2, 12]
    """

    def __init__(self, start_axis: int = 1, stop_axis: int = -1) -> None:
        super().__init__()
        self.start_axis, self.stop_axis = start_axis, stop_axis

    def forward(self, input: Tensor) -> Tensor:
        return shape.flatten(input, self.start_axis, self.stop_axis)


class Unflatten(Layer):
    """One axis split into the sizes of `shape`."""

    def __init__(self, axis: int, shape: Any, name: str | None = None) -> None:
        super().__init__()
        self.axis, self.shape = axis, shape

    def forward(self, input: Tensor) -> Tensor:
        return shape.unflatten(input, self.axis, self.shape)

    def extra_repr(self) -> str:
        return f"axis={self.axis}, shape={self.shape}"


class Dropout(Layer):
    """Elements (or, with `axis`, slices) set to 0 with probability p while training.

    >>> import wherry as paddle
    >>> layer = paddle.nn.Dropout(0.5); layer.eval()
    >>> layer(paddle.ones([2])).tolist()
    [1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, axis: Any = None, mode: str = "upscale_in_train",
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__()
        self.p, self.axis, self.mode = p, axis, mode

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.axis, self.training, self.mode)

    def extra_repr(self) -> str:
        return f"p={self.p}, axis={self.axis}, mode={self.mode}"


class Dropout2D(Layer):
    """Whole channels of images set to 0 with probability p while training."""

    def __init__(self, p: float = 0.5, data_format: str = "NCHW", name: str | None = None) -> None:
        super().__init__()
        self.p, self.data_format = p, data_format

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.data_format)

    def extra_repr(self) -> str:
        return f"p={self.p}, data_format={self.data_format}"


class AlphaDropout(Layer):
    """Dropout that keeps mean and variance of what selu gives."""

    def __init__(self, p: float = 0.5, name: str | None = None) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _Pad(Layer):
    axes: int

    def __init__(
        self, padding: Any, mode: str = "constant", value: float = 0.0, data_format: str = "",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        sides = 2 * self.axes
        self._pad = [padding] * sides if isinstance(padding, int) else list(padding)
        self._mode, self._value = mode, value
        self._data_format = data_format or {1: "NCL", 2: "NCHW", 3: "NCDHW"}[self.axes]

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self._pad, self._mode, self._value, self._data_format)

    def extra_repr(self) -> str:
        return (
            f"padding={self._pad}, mode={self._mode}, value={self._value}, "
            f"data_format={self._data_format}"
        )


class Pad1D(_Pad):
    """Elements added at the ends of sequences [N, C, L]: [left, right]."""

    axes = 1


class Pad2D(_Pad):
    """Elements added around images [N, C, H, W]: [left, right, top, bottom]."""

    axes = 2


class Pad3D(_Pad):
    """Elements added around volumes [N, C, D, H, W]: [left, right, top, bottom, front, back]."""

    axes = 3


class ZeroPad2D(Pad2D):
    """Zeros around images: [left, right, top, bottom]."""

    def __init__(self, padding: Any, data_format: str = "NCHW", name: str | None = None) -> None:
        super().__init__(padding, "constant", 0.0, data_format)

    def extra_repr(self) -> str:
        return f"padding={self._pad}, data_format={self._data_format}"


class CosineSimilarity(Layer):
    """The cosine of the angle between two Tensors along an axis."""

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self._axis, self._eps = axis, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self._axis, self._eps)

    def extra_repr(self) -> str:
        return f"axis={self._axis}, eps={self._eps}"


class PairwiseDistance(Layer):
    """The p-norm of x - y + epsilon along the last axis."""

    def __init__(self, p: float = 2.0, epsilon: float = 1e-6, keepdim: bool = False,
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__()
        self.p, self.epsilon, self.keepdim = p, epsilon, keepdim

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.pairwise_distance(x, y, self.p, self.epsilon, self.keepdim)

    def extra_repr(self) -> str:
        text = f"p={self.p}"
        if self.epsilon != 1e-6:
            text += f", epsilon={self.epsilon}"
        return text + (f", keepdim={self.keepdim}" if self.keepdim else "")


class PixelShuffle(Layer):
    """[N, C * r * r, H, W] to [N, C, H * r, W * r]."""

    def __init__(
        self, upscale_factor: int, data_format: str = "NCHW", name: str | None = None
    ) -> None:
        super().__init__()
        self._upscale_factor, self._data_format = upscale_factor, data_format

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, self._upscale_factor, self._data_format)

    def extra_repr(self) -> str:
        return f"upscale_factor={self._upscale_factor}"


class Bilinear(Layer):
    """out[n, o] = sum over i, j of x1[n, i] * weight[o, i, j] * x2[n, j], plus a bias."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, weight_attr: Any = None,
        bias_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = self.create_parameter([out_features, in1_features, in2_features], weight_attr)
        self.bias = self.create_parameter([1, out_features], bias_attr, is_bias=True)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        outs, first, second = self.weight.shape
        return (
            f"in1_features={first}, in2_features={second}, out_features={outs}, "
            f"dtype={self.weight.dtype.name}"
        )


__all__ = [
    "AlphaDropout", "Bilinear", "CosineSimilarity", "Dropout", "Dropout2D", "Embedding", "Flatten",
    "Identity", "Linear", "Pad1D", "Pad2D", "Pad3D", "PairwiseDistance", "PixelShuffle",
    "Unflatten", "ZeroPad2D",
]  # fmt: skip
