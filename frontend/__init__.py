"""wherry: Paddle-style Python models, compiled to native CPU code.

Use it as `import wherry as paddle`. What is public stands in `_NAMES`, module by module; each name
is imported when it is first used, so that `import wherry.runtime` loads neither the frontend nor
the compiler.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if not __name__.startswith("wherry"):
    raise ImportError(
        "import it as `wherry`; `frontend` alone would load a second copy of everything"
    )

__version__ = "0.1.0"

# module -> names; "public=own" where the module's own name differs.
_NAMES = {
    ".tensor": "Tensor Parameter EagerParamBase=Parameter ParamBase=Parameter",
    ".device": """
        CPUPlace get_device is_compiled_with_cinn is_compiled_with_cuda
        is_compiled_with_custom_device is_compiled_with_distribute is_compiled_with_ipu
        is_compiled_with_rocm is_compiled_with_xpu set_device
    """,
    ".autograd": "enable_grad grad is_grad_enabled no_grad set_grad_enabled",
    ".distributed.parallel": "DataParallel",
    ".reader": "batch",
    ".hapi.model": "Model",
    ".hapi.summary": "summary",
    ".framework": "get_default_dtype get_flags in_dynamic_mode set_default_dtype set_flags",
    ".number_limits": "finfo iinfo",
    ".param_attr": "ParamAttr",
    ".parameter": "create_parameter",
    ".printing": "set_printoptions",
    ".random": "get_rng_state seed set_rng_state",
    ".serialization": "load save",
    ".static.mode": "disable_static enable_static",
    ".ops.creation": """
        arange assign clone diag empty empty_like eye full full_like linspace meshgrid ones
        ones_like to_tensor tolist tril triu zeros zeros_like
    """,
    ".ops.math": """
        abs acos acosh add add_n asin asinh atan atan2 atanh cast ceil clip cos cosh deg2rad
        digamma divide erf erfinv exp expm1 floor floor_divide floor_mod fmax fmin heaviside
        increment kron lerp lgamma log log10 log1p log2 maximum minimum mod multiply neg
        polygamma pow rad2deg reciprocal remainder round rsqrt scale sigmoid sign sin sinh sqrt
        square stanh subtract tan tanh trunc
    """,
    ".ops.compare": """
        allclose bitwise_and bitwise_not bitwise_or bitwise_xor equal equal_all greater_equal
        greater_than is_complex is_empty is_floating_point is_integer is_tensor isclose isfinite
        isinf isnan less_equal less_than logical_and logical_not logical_or logical_xor
        not_equal
    """,
    ".ops.reduce": """
        all amax amin any count_nonzero cumprod cumsum logsumexp max mean median min nanmean
        nansum numel prod std sum var
    """,
    ".ops.shape": """
        broadcast_shape broadcast_tensors broadcast_to chunk concat diagonal expand
        expand_as flatten flip moveaxis rank repeat_interleave reshape reverse roll shape
        slice split squeeze stack strided_slice tile transpose unbind unflatten unsqueeze
        unstack view
    """,
    ".ops.linalg": "addmm bmm dist dot inner matmul mm mv norm outer t tensordot trace",
    ".ops.matrices": "cholesky eigvalsh inverse",
    ".ops.integers": "gcd lcm renorm shard_index",
    ".ops.search": """
        argmax argmin argsort bincount gather gather_nd index_sample index_select masked_fill
        masked_select nonzero scatter scatter_nd scatter_nd_add searchsorted sort
        take_along_axis topk unique unique_consecutive where
    """,
    ".ops.random": """
        bernoulli multinomial normal rand randint randint_like randn randperm standard_normal
        uniform
    """,
    ".ops.compound": "crop cross diagflat diff logit put_along_axis quantile rot90",
    ".ops.at_index": "index_add index_fill index_put multiplex take",
    ".ops.order": "bucketize cummax cummin histogram kthvalue mode",
    ".ops.numbers": """
        atleast_1d atleast_2d atleast_3d frac hypot ldexp logaddexp logspace nan_to_num sgn
        tril_indices triu_indices
    """,
    ".nn.functional.channels": "diag_embed",
    ".ops.einsum": "einsum",
    ".ops.inplace": "reshape_ squeeze_ tanh_ unsqueeze_ scatter_",
    "wherry.schema.dtypes": """
        bool=bool_ dtype=DType float16 float32 float64 int16 int32 int64 int8 uint8
    """,
}
_MODULES = (
    "amp", "autograd", "callbacks", "device", "distributed", "distribution", "framework",
    "hapi", "inference", "io", "jit", "linalg", "metric", "nn", "optimizer", "regularizer",
    "static", "utils", "vision",
)  # fmt: skip


def _table() -> dict[str, tuple[str, str]]:
    found = {}
    for module, names in _NAMES.items():
        for word in names.split():
            public, _, own = word.partition("=")
            found[public] = (module, own or public)
    return found


_TABLE = _table()
__all__ = sorted([*_TABLE, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _TABLE:
        raise AttributeError(f"module 'wherry' has no attribute {name!r}")
    module, own = _TABLE[name]
    importlib.import_module(".ops", __name__)
    value = getattr(importlib.import_module(module, __name__), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from .tensor import Tensor as Tensor
