"""The transformers that make the user's function call `_jst` where a tensor may decide.

Each transformer does one thing to a gast tree; the order matters and stands in `CHAIN`. `transform`
is pure: tree in, tree out.
"""

from __future__ import annotations

from typing import Any, Final

from .assertion import Assertion
from .break_continue import BreakContinue
from .call import Call
from .class_scope import ClassScope
from .compare import Compare
from .comprehension import Comprehension
from .early_return import EarlyReturn
from .for_loop import ForLoop
from .generators import Generators
from .if_else import IfElse
from .logical import Logical
from .match import Match
from .present import Present
from .scope import Context
from .stores import Stores
from .ternary import Ternary
from .try_except import TryExcept
from .while_loop import WhileLoop

# Statements that stand for others are written out first. Jumps, which tell what variables have a
# value, become flags; then expressions are converted, and last the statements that move code into
# nested functions.
CHAIN: Final = (
    ClassScope, Match, Comprehension, Generators, Present, EarlyReturn, BreakContinue, Assertion,
    Stores, Logical, Compare, Ternary, Call, ForLoop, WhileLoop, IfElse, TryExcept,
)  # fmt: skip


def transform(tree: Any, context: Context) -> Any:
    """Run the whole chain on a FunctionDef or a Lambda."""
    for transformer in CHAIN:
        tree = transformer(context).visit(tree)
    return tree


__all__ = ["CHAIN", "Context", "transform"]
