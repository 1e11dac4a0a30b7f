"""Normalization layers."""

from __future__ import annotations

from typing import Any

from wherry.schema.errors import OpError

from ..location import user_location
from ..param_attr import ParamAttr
from ..tensor import Tensor
from . import functional as F
from .initializer import Constant
from .layer import Layer


class _BatchNorm(Layer):
    """What the BatchNorm layers share. `ranks` are the numbers of dims that the input may have."""

    ranks: tuple[int, ...] = ()

    def __init__(
        self, num_features: int, momentum: float = 0.9, epsilon: float = 1e-05,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str = "NCHW",
        use_global_stats: bool | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        self._num_features, self._momentum, self._epsilon = num_features, momentum, epsilon
        self._data_format, self._use_global_stats = data_format, use_global_stats
        size = [num_features]
        self.weight = self.create_parameter(size, weight_attr, default_initializer=Constant(1.0))
        self.bias = self.create_parameter(size, bias_attr, is_bias=True)
        self._mean = self._statistic(size, 0.0)
        self._variance = self._statistic(size, 1.0)

    def _statistic(self, size: list[int], value: float, name: str | None = None) -> Any:
        """A running statistic: a parameter that is not trained, as in Paddle."""
        attr = ParamAttr(name=name, initializer=Constant(value), trainable=False)
        return self.create_parameter(size, attr)

    def _check(self, x: Tensor) -> None:
        if self.ranks and x.ndim not in self.ranks:
            raise OpError(
                f"needs an input of {' or '.join(map(str, self.ranks))} dims, got shape {x.shape}",
                type(self).__name__, user_location(),
            )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        return F.batch_norm(
            input, self._mean, self._variance, self.weight, self.bias, self.training,
            self._momentum, self._epsilon, self._data_format, self._use_global_stats,
        )  # fmt: skip

    def extra_repr(self) -> str:
        text = (
            f"num_features={self._num_features}, momentum={self._momentum}, epsilon={self._epsilon}"
        )
        return text if self._data_format == "NCHW" else f"{text}, data_format={self._data_format}"


class BatchNorm1D(_BatchNorm):
    """Each channel of [N, C] or [N, C, L] normalized over the batch while training.

    >>> import wherry as paddle
    >>> paddle.nn.BatchNorm1D(2)(paddle.to_tensor([[1.0, 2.0], [1.0, 2.0]])).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """

    ranks = (2, 3)

    def __init__(
        self, num_features: int, momentum: float = 0.9, epsilon: float = 1e-05,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str = "NCL",
        use_global_stats: bool | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(num_features, momentum, epsilon, weight_attr, bias_attr, data_format,
                         use_global_stats, name)  # fmt: skip


class BatchNorm2D(_BatchNorm):
    """Each channel of images [N, C, H, W] normalized over the batch while training.

    >>> import wherry as paddle
    >>> paddle.nn.BatchNorm2D(3)(paddle.ones([2, 3, 4, 4])).shape
    [2, 3, 4, 4]
    """

    ranks = (4,)


class BatchNorm3D(_BatchNorm):
    """Each channel of volumes [N, C, D, H, W] normalized over the batch while training."""

    ranks = (5,)

    def __init__(
        self, num_features: int, momentum: float = 0.9, epsilon: float = 1e-05,
        weight_attr: Any = None, bias_attr: Any = None, data_format: str = "NCDHW",
        use_global_stats: bool | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(num_features, momentum, epsilon, weight_attr, bias_attr, data_format,
                         use_global_stats, name)  # fmt: skip


class SyncBatchNorm(_BatchNorm):
    """BatchNorm; in one process there is nothing to synchronize."""


class BatchNorm(_BatchNorm):
    """Paddle 1.x's BatchNorm: any rank, an activation by name."""

    def __init__(
        self, num_channels: int, act: str | None = None, is_test: bool = False,
        momentum: float = 0.9, epsilon: float = 1e-05, param_attr: Any = None,
        bias_attr: Any = None, dtype: Any = "float32", data_layout: str = "NCHW",
        in_place: bool = False, moving_mean_name: str | None = None,
        moving_variance_name: str | None = None, do_model_average_for_mean_and_var: bool = True,
        use_global_stats: bool = False, trainable_statistics: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(num_channels, momentum, epsilon, param_attr, bias_attr, data_layout)
        self._act, self._is_test = act, is_test
        self._trainable_statistics, self._use_global_stats = (
            trainable_statistics,
            use_global_stats or None,
        )
        for key, name in (("_mean", moving_mean_name), ("_variance", moving_variance_name)):
            if name:
                getattr(self, key).name = name

    def forward(self, input: Tensor) -> Tensor:
        training = (self.training and not self._is_test) or self._trainable_statistics
        out = F.batch_norm(
            input, self._mean, self._variance, self.weight, self.bias, training, self._momentum,
            self._epsilon, self._data_format, self._use_global_stats,
        )  # fmt: skip
        return getattr(F, self._act)(out) if self._act else out

    def extra_repr(self) -> str:
        return ""


class LayerNorm(Layer):
    """The last axes, of sizes `normalized_shape`, with mean 0 and variance 1; then * weight + bias.

    >>> import wherry as paddle
    >>> paddle.nn.LayerNorm(4)(paddle.ones([2, 4])).tolist()[0]
    [0.0, 0.0, 0.0, 0.0]
    """

    def __init__(
        self, normalized_shape: Any, epsilon: float = 1e-05, weight_attr: Any = None,
        bias_attr: Any = None, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        sizes = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
        self._normalized_shape, self._epsilon = sizes, epsilon
        count = [1]
        for size in sizes:
            count[0] *= size
        self.weight = self.create_parameter(count, weight_attr, default_initializer=Constant(1.0))
        self.bias = self.create_parameter(count, bias_attr, is_bias=True)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self._normalized_shape, self.weight, self.bias, self._epsilon)

    def extra_repr(self) -> str:
        return f"normalized_shape={self._normalized_shape}, epsilon={self._epsilon}"


class GroupNorm(Layer):
    """Each group of channels of [N, C, ...] with mean 0 and variance 1; then * weight + bias by
    channel.

    >>> import wherry as paddle
    >>> paddle.nn.GroupNorm(2, 4)(paddle.ones([1, 4, 2, 2])).shape
    [1, 4, 2, 2]
    """

    def __init__(
        self, num_groups: int, num_channels: int, epsilon: float = 1e-05, weight_attr: Any = None,
        bias_attr: Any = None, data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        self._num_groups, self._num_channels, self._epsilon = num_groups, num_channels, epsilon
        self._data_format = data_format
        self.weight = self.create_parameter(
            [num_channels], weight_attr, default_initializer=Constant(1.0)
        )
        self.bias = self.create_parameter([num_channels], bias_attr, is_bias=True)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(
            input, self._num_groups, self._epsilon, self.weight, self.bias, self._data_format
        )

    def extra_repr(self) -> str:
        return (
            f"num_groups={self._num_groups}, num_channels={self._num_channels}, "
            f"epsilon={self._epsilon}"
        )


class _InstanceNorm(Layer):
    ranks: tuple[int, ...]

    def __init__(
        self, num_features: int, epsilon: float = 1e-05, momentum: float = 0.9,
        weight_attr: Any = None,
        bias_attr: Any = None, data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(dtype=None)
        self._num_features, self._epsilon = num_features, epsilon
        self.scale = self.create_parameter(
            [num_features], weight_attr, default_initializer=Constant(1.0)
        )
        self.bias = self.create_parameter([num_features], bias_attr, is_bias=True)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.ranks:
            raise OpError(f"needs an input of {self.ranks} dims, got shape {input.shape}",
                          type(self).__name__, user_location())  # fmt: skip
        return F.instance_norm(input, weight=self.scale, bias=self.bias, eps=self._epsilon)

    def extra_repr(self) -> str:
        return f"num_features={self._num_features}, epsilon={self._epsilon}"


class InstanceNorm1D(_InstanceNorm):
    """Each channel of each sequence [N, C, L] with mean 0 and variance 1."""

    ranks = (3,)


class InstanceNorm2D(_InstanceNorm):
    """Each channel of each image [N, C, H, W] with mean 0 and variance 1."""

    ranks = (4,)


class InstanceNorm3D(_InstanceNorm):
    """Each channel of each volume [N, C, D, H, W] with mean 0 and variance 1."""

    ranks = (5,)


class LocalResponseNorm(Layer):
    """x / (k + alpha * mean of squares of `size` neighbouring channels) ** beta."""

    def __init__(
        self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0,
        data_format: str = "NCHW", name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"size={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


__all__ = [
    "BatchNorm", "BatchNorm1D", "BatchNorm2D", "BatchNorm3D", "GroupNorm", "InstanceNorm1D",
    "InstanceNorm2D", "InstanceNorm3D", "LayerNorm", "LocalResponseNorm", "SyncBatchNorm",
]  # fmt: skip
