"""Reads the compact text form that `wherry.ir.text` writes."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from wherry.schema.dtypes import DTYPES, DType, as_dtype
from wherry.schema.errors import Loc

from .dims import Dim, parse_dim
from .infer import Guard, TensorType
from .program import Block, OpDesc, Program, Slots, Variable
from .text import RESERVED, default_output_slot, full_attrs

_DTYPES: Final = "|".join(dtype.name for dtype in DTYPES)
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_TOKEN: Final = re.compile(
    rf"""(?P<space>\s+|\#[^\n]*)
    | (?P<type>\b(?:{_DTYPES})\[[^\[\]]*\])
    | (?P<loc>@\ (?:{_STRING}|[^\s"]+):\d+(?:\ {_STRING})?)
    | (?P<relation>==|<=|1\ or\ ==|broadcast(?=\ <))
    | (?P<quoted>%{_STRING})
    | (?P<string>{_STRING})
    | (?P<dim><[^<>=]*>)
    | (?P<number>-?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf\b|nan\b))
    | (?P<name>[^\W\d][\w.@/]*)
    | (?P<more>\.\.\.)
    | (?P<punct>[][(){{}}=:,])""",
    re.VERBOSE,
)
_LOC: Final = re.compile(rf'@ (?P<file>{_STRING}|[^\s"]+):(?P<line>\d+)(?: (?P<text>{_STRING}))?')
_WORDS: Final = {"true": True, "false": False, "none": None}
_FLAGS: Final = ("persist", "trainable", "data", "hidden", "grad")


class Token(NamedTuple):
    """A piece of the text: its kind (a group of `_TOKEN`), its characters, where it starts."""

    kind: str
    text: str
    start: int


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"line {_line(text, at)}: cannot read {text[at : at + 20]!r}")
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match.group(), at))
        at = match.end()
    return [*found, Token("end", "", at)]


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


class Parser:
    """Recursive descent over the tokens; `scope` holds the Variables of the block being read."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0
        self.result = Program()
        self.block = self.result.global_block
        self.scope: dict[str, Variable] = {}

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self, expected: str) -> NoReturn:
        got = self.token.text or "the end of the text"
        raise ValueError(
            f"line {_line(self.text, self.token.start)}: expected {expected}, got {got}"
        )

    def take(self, kind: str, text: str | None = None, what: str = "") -> str:
        token = self.token
        if token.kind != kind or (text is not None and token.text != text):
            self.fail(what or (repr(text) if text else f"a {kind}"))
        self.at += 1
        return token.text

    def accept(self, text: str) -> bool:
        if self.token.kind in ("punct", "name") and self.token.text == text:
            self.at += 1
            return True
        return False

    def program(self) -> Program:
        self.take("name", "program")
        self.block_body(self.result.global_block)
        if self.token.kind != "end":
            self.fail("the end of the text")
        return self.result

    def block_body(self, block: Block) -> None:
        """`(args) { lines yield results }`; a sub-block sees nothing of the scope around it."""
        outer, outer_block, self.scope, self.block = self.scope, self.block, {}, block
        self.take("punct", "(")
        while not self.accept(")"):
            block.args.append(self.declared(block))
            self.accept(",")
        self.take("punct", "{")
        while not self.accept("yield"):
            self.statement(block)
        while not self.accept("}"):
            block.results.append(self.variable())
            self.accept(",")
        self.scope, self.block = outer, outer_block

    def statement(self, block: Block) -> None:
        if self.accept("persist"):
            self.persistable(block)
        elif self.accept("guard"):
            self.guard()
        else:
            self.op(block)

    def persistable(self, block: Block) -> None:
        trainable = self.accept("trainable")
        var = self.declared(block)
        var.persistable, var.trainable = True, trainable
        if self.accept("=") and self.token.kind == "more":
            self.take("more")
        elif self.tokens[self.at - 1].text == "=":
            value = np.array(self.value(), var.dtype.numpy)
            self.result.values[var.name] = value.reshape([int(dim) for dim in var.shape])

    def guard(self) -> None:
        left = self.dim()
        relation = self.take("relation")
        right = self.dim()
        message = json.loads(self.take("string"))
        self.result.guards.append(Guard(left, relation, right, message, self.loc()))

    def dim(self) -> Dim:
        return parse_dim(self.take("dim", what="a dim in <>")[1:-1])

    def op(self, block: Block) -> None:
        outputs: list[tuple[str, list[Variable]]] = []
        if not (self.token.kind == "name" and self.tokens[self.at + 1].text == "("):
            outputs = [self.output(block)]
            while self.accept(","):
                outputs.append(self.output(block))
            self.take("punct", "=")
        op_type = self.take("name", what="an op")
        slots = {slot or default_output_slot(op_type): vars_ for slot, vars_ in outputs}
        inputs, attrs = self.arguments()
        op = OpDesc(op_type, inputs, slots, attrs, self.loc())
        op.attrs = {
            k: list(v) if isinstance(v, (list, tuple)) else v for k, v in full_attrs(op).items()
        }
        block.append(op)

    def output(self, block: Block) -> tuple[str, list[Variable]]:
        slot = ""
        if self.token.kind == "name" and self.tokens[self.at + 1].text == "=":
            slot = self.take("name")
            self.take("punct", "=")
        if not self.accept("["):
            return slot, [self.declared(block)]
        found = []
        while not self.accept("]"):
            found.append(self.declared(block))
            self.accept(",")
        return slot, found

    def arguments(self) -> tuple[Slots, dict[str, Any]]:
        inputs: Slots = {}
        attrs: dict[str, Any] = {}
        self.take("punct", "(")
        while not self.accept(")"):
            name = self.take("name", what="the name of a slot or an attribute")
            self.take("punct", "=")
            if self.at_variables():
                inputs[name] = self.variables()
            else:
                attrs[name] = self.value()
            self.accept(",")
        return inputs, attrs

    def at_variables(self) -> bool:
        """Whether Variables come: a name, or a bracket and a name."""
        token = self.tokens[self.at + 1] if self.token.text == "[" else self.token
        return token.kind == "quoted" or (token.kind == "name" and token.text not in RESERVED)

    def variables(self) -> list[Variable]:
        if not self.accept("["):
            return [self.variable()]
        found = []
        while not self.accept("]"):
            found.append(self.variable())
            self.accept(",")
        return found

    def variable(self) -> Variable:
        before = self.at
        name = self.name()
        if name in self.scope:
            return self.scope[name]
        self.at = before
        self.fail("the name of a Variable that is defined above")

    def name(self) -> str:
        if self.token.kind == "quoted":
            return str(json.loads(self.take("quoted")[1:]))
        return self.take("name", what="a name")

    def declared(self, block: Block) -> Variable:
        """`name: flags type`: a new Variable of the block."""
        before = self.at
        name = self.name()
        self.take("punct", ":")
        flags = {flag for flag in _FLAGS if self.accept(flag)}
        shape, dtype = self.type()
        if name in self.result.names:
            self.at = before
            self.fail("a name that is new in the Program")
        var = self.scope[name] = block.create_var(name, shape, dtype)
        var.persistable, var.trainable = "persist" in flags, "trainable" in flags
        var.is_data, var.stop_gradient = "data" in flags, "grad" not in flags
        var.is_hidden = "hidden" in flags
        return var

    def type(self) -> TensorType:
        dtype, _, dims = self.take("type")[:-1].partition("[")
        return TensorType(tuple(map(parse_dim, _split(dims))), as_dtype(dtype))

    def value(self) -> Any:
        """An attribute, or the elements of an array."""
        token = self.token
        if token.kind == "number" or token.text in ("nan", "inf"):
            self.at += 1
            return int(token.text) if re.fullmatch(r"-?\d+", token.text) else float(token.text)
        if token.kind == "string":
            return json.loads(self.take("string"))
        if token.kind == "dim":
            return self.dim()
        if self.accept("["):
            return self.list_rest()
        return self.word()

    def list_rest(self) -> list[Any]:
        found = []
        while not self.accept("]"):
            found.append(self.value())
            self.accept(",")
        return found

    def word(self) -> bool | DType | Block | None:
        text = self.take("name", what="a value")
        if text == "block":
            block = self.result.create_block(self.block)
            self.block_body(block)
            return block
        if text in _WORDS:
            return _WORDS[text]
        if text in _DTYPES.split("|"):
            return as_dtype(text)
        self.at -= 1
        self.fail("a value")

    def loc(self) -> Loc | None:
        if self.token.kind != "loc":
            return None
        match = _LOC.fullmatch(self.take("loc"))
        assert match is not None, "the token is made of the same pattern"
        file, text = match["file"], match["text"]
        return Loc(
            json.loads(file) if file.startswith('"') else file,
            int(match["line"]),
            json.loads(text) if text else "",
        )


def _split(dims: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(dims):
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            parts.append(dims[start:at])
            start = at + 1
    return [part.strip() for part in [*parts, dims[start:]] if part.strip()]
