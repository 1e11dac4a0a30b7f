"""ParamAttr: how a Layer's parameter is to be made."""

from __future__ import annotations

from copy import copy
from typing import Any


class ParamAttr:
    """Name, initializer, learning rate and regularizer of a parameter.

    `learning_rate` multiplies the optimizer's; `regularizer` takes the place of its weight_decay.

    >>> import wherry as paddle
    >>> attr = paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(2.0))
    >>> paddle.nn.Linear(1, 1, weight_attr=attr).weight.tolist()
    [[2.0]]
    """

    def __init__(
        self,
        name: str | None = None,
        initializer: Any = None,
        learning_rate: float = 1.0,
        regularizer: Any = None,
        trainable: bool = True,
        do_model_average: bool = True,
        need_clip: bool = True,
    ) -> None:
        if name == "":
            raise ValueError("name of ParamAttr can not be empty str")
        self.name = name
        self.initializer = initializer
        self.learning_rate = learning_rate
        self.regularizer = regularizer
        self.trainable = trainable
        self.do_model_average = do_model_average
        self.need_clip = need_clip

    def named(self, name: str | None) -> ParamAttr:
        """The same with this name, where it has none of its own."""
        if name is None or self.name is not None:
            return self
        found = copy(self)
        found.name = name
        return found

    @staticmethod
    def of(spec: Any) -> ParamAttr | None:
        """What a `weight_attr` argument stands for; None if it says that there is no parameter."""
        from .nn.initializer import Initializer
        from .regularizer import Regularizer

        if spec is False:
            return None
        if spec is None or spec is True:
            return ParamAttr()
        if isinstance(spec, ParamAttr):
            return spec
        if isinstance(spec, str):
            return ParamAttr(name=spec)
        if isinstance(spec, Initializer):
            return ParamAttr(initializer=spec)
        if isinstance(spec, Regularizer):
            return ParamAttr(regularizer=spec)
        raise TypeError(
            "a parameter's attr must be a ParamAttr, a name, an initializer, a regularizer or "
            f"False, got {type(spec).__name__}"
        )
