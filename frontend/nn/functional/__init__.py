"""`paddle.nn.functional`: the functions of which layers are made."""

from . import activation, common, conv, loss, norm, pooling
from .activation import *
from .common import *
from .conv import *
from .loss import *
from .norm import *
from .pooling import *

__all__ = sorted(
    [*activation.__all__, *common.__all__, *conv.__all__, *loss.__all__, *norm.__all__, *pooling.__all__]
)  # fmt: skip
