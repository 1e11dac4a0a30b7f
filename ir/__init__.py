"""The IR: Programs of ops in SSA form, the ops' declarations, the passes, the numpy interpreter.

program = parse_text(text)             the compact text form, and back: to_text
verify(program)                        the rules of the IR
run_program(program, inputs)           what a Program means, in numpy
wherry.ir.passes                       what makes it smaller and faster
wherry.ir.backward                     its gradients
"""

if not __name__.startswith("wherry"):
    raise ImportError("import it as `wherry.ir`; `ir` alone would load a second copy of everything")

from .dims import Dim, SymDim, symbol
from .infer import Guard, TensorType
from .interp import run_program
from .opdef import OpDef, get_op
from .program import Block, OpDesc, Program, Variable
from .show import show_program
from .text import equal, parse_text, to_text
from .verify import verify

__all__ = [
    "Block",
    "Dim",
    "Guard",
    "OpDef",
    "OpDesc",
    "Program",
    "SymDim",
    "TensorType",
    "Variable",
    "equal",
    "get_op",
    "parse_text",
    "run_program",
    "show_program",
    "symbol",
    "to_text",
    "verify",
]
