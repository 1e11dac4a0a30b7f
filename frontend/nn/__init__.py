"""`paddle.nn`: layers, their functions, initializers and gradient clipping."""

from . import (
    activation,
    clip,
    common,
    container,
    conv,
    functional,
    initializer,
    loss,
    norm,
    pooling,
)
from .activation import *
from .clip import ClipGradByGlobalNorm, ClipGradByNorm, ClipGradByValue
from .common import *
from .container import *
from .conv import *
from .layer import Layer
from .loss import *
from .norm import *
from .pooling import *

__all__ = sorted(
    [*activation.__all__, *common.__all__, *container.__all__, *conv.__all__, *loss.__all__, *norm.__all__,
     *pooling.__all__, "ClipGradByGlobalNorm", "ClipGradByNorm", "ClipGradByValue", "Layer", "functional",
     "initializer"]
)  # fmt: skip
