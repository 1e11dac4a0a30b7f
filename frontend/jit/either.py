"""Either: a value of which a tensor decides, at the call, which of two it is.

After `if t: y = x` without an `else`, or `return None` in one branch only, a variable is no single
value of the Program. It becomes an Either of both. Whatever is done with it is done with each of
the two in its own branch of a `cond`; where the code around is itself under that condition, it is
simply the one. A value that is not there (`Missing`) ends the call, where it is used, with the
error that Python would raise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from wherry.dispatch import tracer
from wherry.ir.infer import TensorType
from wherry.schema.dtypes import DType, bool_
from wherry.schema.errors import ConversionError

from ..location import user_location
from .lists import TracedList

if TYPE_CHECKING:
    from ..traced import Traced


# The methods of lists, dicts, sets and deques that change them.
CHANGING: Final = frozenset(
    {
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "rotate"),
        *("appendleft", "extendleft", "popleft"),
        *("update", "setdefault", "popitem", "add", "discard", "__setitem__", "__delitem__"),
    }
)


class Missing:
    """The value of a variable that has none; it knows the error of whoever reads it."""

    __slots__ = ("kind", "message")

    def __init__(self, message: Any, kind: type[Exception] = UnboundLocalError) -> None:
        self.message, self.kind = message, kind

    def error(self) -> Exception:
        """What reading it raises."""
        return self.kind(self.message)


class Either:
    """`yes` where the 0-d bool tensor `flag` holds, else `no`."""

    def __init__(self, flag: Any, yes: Any, no: Any) -> None:
        self.__dict__["_either"] = (flag, yes, no)
        active: Any = tracer.get()
        if active is not None:
            active.has_eithers = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        from .reading import method

        found = None if name in CHANGING else method(self, name)
        return lift(self, lambda value: getattr(value, name)) if found is None else found

    def __setattr__(self, name: str, value: Any) -> None:
        _write(self, name, lambda one: setattr(one, name, value))

    def __delattr__(self, name: str) -> None:
        _write(self, name, lambda one: delattr(one, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .convert_call import convert_call

        return lift(self, lambda value: convert_call(value)(*args, **kwargs))

    def __getitem__(self, index: Any) -> Any:
        return lift(self, lambda value: value[index])

    def __setitem__(self, index: Any, item: Any) -> None:
        _write(self, None, lambda one: operator.setitem(one, index, item))

    def __delitem__(self, index: Any) -> None:
        _write(self, None, lambda one: operator.delitem(one, index))

    def __iter__(self) -> Any:
        from .reading import elements

        found = elements(self)
        if found is None or not isinstance(found[0], int):
            return iter(one_of(self, "what is iterated over"))
        return map(found[1], range(found[0]))

    def __contains__(self, item: Any) -> bool:
        return item in one_of(self, "what is searched in")

    def __bool__(self) -> bool:
        return bool(one_of(self, "a Python bool"))

    def __int__(self) -> int:
        return int(one_of(self, "a Python int"))

    def __float__(self) -> float:
        return float(one_of(self, "a Python float"))

    def __index__(self) -> int:
        return operator.index(one_of(self, "a Python int"))

    def __len__(self) -> int:
        return len(one_of(self, "something with a Python length"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        refuse(self, "a numpy array")

    def __enter__(self) -> Any:
        return one_of(self, "a context manager").__enter__()

    def __exit__(self, *error: Any) -> Any:
        return one_of(self, "a context manager").__exit__(*error)

    def __format__(self, spec: str) -> str:
        return format(one_of(self, "text"), spec)

    def __str__(self) -> str:
        return str(one_of(self, "text"))

    def __repr__(self) -> str:
        return repr(one_of(self, "text"))

    def __hash__(self) -> int:
        return hash(one_of(self, "a key of a dict"))


def _lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *rest: lift(self, lambda value: function(value, *rest))


def _in_place(name: str) -> Callable[..., Any]:
    """`a += b`, which changes a list."""
    function = getattr(operator, name)

    def write(value: Any, right: Any) -> Any:
        return function(announced(value) if hasattr(value, name) else value, right)

    return lambda self, right: lift(self, lambda value: write(value, right))


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, left: lift(self, lambda value: function(left, value))


for _name in ("lt", "le", "eq", "ne", "gt", "ge", "neg", "pos", "abs", "invert"):
    setattr(Either, f"__{_name}__", _lifted(getattr(operator, f"__{_name}__")))
for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
    "lshift", "rshift",
):  # fmt: skip
    setattr(Either, f"__{_name}__", _lifted(getattr(operator, f"__{_name}__")))
    setattr(Either, f"__r{_name}__", _reflected(getattr(operator, f"__{_name}__")))


for _name in ("add", "sub", "mul", "and", "or", "xor"):
    setattr(Either, f"__i{_name}__", _in_place(f"__i{_name}__"))


class Deferred:
    """Stands for a tensor of this type, which is made in the block that needs it."""

    # The tensors of which it holds the values.
    held: Sequence[Any] = ()

    def __init__(self, type_: TensorType) -> None:
        self.type = type_
        self.stop_gradient = True

    def made(self, build: Any, dtype: DType) -> Any:
        """The tensor."""
        raise NotImplementedError

    def is_number(self) -> bool | None:
        """Whether it stands for a number, or for numbers only; None if that makes no difference."""
        return None


class Zeros(Deferred):
    """A tensor that nobody reads: the value of the other branch."""

    def made(self, build: Any, dtype: DType) -> Any:
        shape = list(self.type.shape)
        return build.emit("fill_constant", shape=shape, value=0.0, dtype=dtype)


class Flag(Deferred):
    """A 0-d bool tensor: the opposite of one, or whether all of several hold."""

    def __init__(self, op_type: str, *flags: Any) -> None:
        super().__init__(TensorType((), bool_))
        self.op_type, self.flags = op_type, flags
        self._made: Any = None

    def made(self, build: Any, dtype: DType) -> Any:
        if self._made is None or not build.sees(self._made.variable):
            self._made = build.emit(self.op_type, *map(emitted, self.flags))
        return self._made


def emitted(flag: Any) -> Any:
    """The flag as a bool or a tensor, in the block that is built now."""
    return flag.made(tracer.get(), bool_) if isinstance(flag, Deferred) else flag


def negated(flag: Any) -> Any:
    """The opposite of a flag: of a bool, or of a tensor, whose block may be closed by now."""
    if isinstance(flag, bool):
        return not flag
    if isinstance(flag, Flag) and flag.op_type == "logical_not":
        return flag.flags[0]
    return Flag("logical_not", flag)


def both(one: Any, two: Any) -> Any:
    """Whether both flags hold."""
    if isinstance(one, bool):
        return one and two
    if isinstance(two, bool):
        return two and one
    return Flag("logical_and", one, two)


def is_either(value: Any) -> bool:
    """isinstance(value, Either), whatever the value does when it is asked."""
    return type(value) is Either


def parts(value: Either) -> tuple[Traced, Any, Any]:
    """(flag, yes, no)."""
    found: tuple[Traced, Any, Any] = value.__dict__["_either"]
    return found


def resolved(value: Any) -> Any:
    """The one of two that it is here, where a branch around says so; else the value itself.

    Raises ConversionError for a value that was kept from an earlier trace.
    """
    while type(value) is Either:
        flag, yes, no = parts(value)
        # While two values are being fitted together a flag may be a plain bool.
        known = None if isinstance(flag, (bool, Deferred)) else flag.tracer.facts.get(flag)
        if known is None:
            if not isinstance(flag, (bool, Deferred)) and tracer.get() is not flag.tracer:
                refuse(value, "a value after the trace that made it; return it instead")
            return value
        value = yes if known else no
    return value


def lift(value: Any, use: Callable[[Any], Any]) -> Any:
    """Use each of the two in its branch; what the uses give is merged."""
    from .branch import convert_ternary
    from .ends import end_unless

    value = resolved(value)
    if type(value) is Missing:
        raise value.error()
    if type(value) is not Either:
        return use(value)
    flag, yes, no = parts(value)
    for missing, given, wanted in ((no, yes, True), (yes, no, False)):
        if type(missing) is Missing:
            end_unless(flag, wanted, missing.error())
            return lift(given, use)
    return convert_ternary(flag, lambda: _attempt(yes, use), lambda: _attempt(no, use))


def present(value: Any) -> Any:
    """The value of a variable; one that is not there raises here."""
    return lift(value, lambda one: one) if may_miss(value) else value


def may_miss(value: Any) -> bool:
    """Whether one of the values that it may be is Missing."""
    if type(value) is Either:
        return any(map(may_miss, parts(value)[1:]))
    return type(value) is Missing


def _attempt(value: Any, use: Callable[[Any], Any]) -> Any:
    """Use one of the two; if it cannot be used so, the call ends if it is that one."""
    from .signals import BranchEnds

    try:
        return lift(value, use)
    except (TypeError, AttributeError, NameError, KeyError, IndexError) as error:
        raise BranchEnds(error) from error


def or_default(value: Any, default: Any) -> Any:
    """The value, or the default in the calls in which it is Missing."""
    from .branch import convert_ternary

    value = resolved(value)
    if type(value) is Missing:
        return default
    if type(value) is not Either or not may_miss(value):
        return value
    flag, yes, no = parts(value)
    return convert_ternary(flag, lambda: or_default(yes, default), lambda: or_default(no, default))


def is_there(value: Any) -> Any:
    """Whether a value is not Missing."""
    from .branch import convert_ternary

    value = resolved(value)
    if type(value) is not Either or not may_miss(value):
        return type(value) is not Missing
    flag, yes, no = parts(value)
    return convert_ternary(flag, lambda: is_there(yes), lambda: is_there(no))


def _write(value: Either, name: str | None, write: Callable[[Any], None]) -> None:
    """Write an attribute or an item of each of the two in its branch."""
    lift(value, lambda one: write(announced(one, name)))


def announced(value: Any, name: str | None = None) -> Any:
    """The object, of which an attribute, or what it holds, will be written; None has none."""
    from .writes import will_write

    if value is not None:
        will_write(value, name)
    return value


def one_of(value: Any, what: str) -> Any:
    """The single value where there is no choice left, or the other one is Missing or None."""
    from .ends import end_unless
    from .reading import readable

    value = readable(value)
    if type(value) is Missing:
        raise value.error()
    if type(value) is not Either:
        return value
    flag, yes, no = parts(value)
    for other, given, wanted in ((no, yes, True), (yes, no, False)):
        if type(other) is Missing or other is None:
            error = TypeError(f"None cannot be {what}") if other is None else other.error()
            end_unless(flag, wanted, error)
            return one_of(given, what)
    refuse(value, what)


def chosen(value: Any) -> Any:
    """A result with the one of two in each Either's place, after a call: flags have values."""
    value = _one_that_holds(value)
    if type(value) is Missing:
        raise value.error()
    if isinstance(value, TracedList):
        if value.stored is not None:
            from .growing import as_plain

            return as_plain(value.stored)
        return list(map(chosen, value))
    if type(value) in (list, tuple):
        return type(value)(map(chosen, value))
    if type(value) is dict:
        found = {key: _one_that_holds(one) for key, one in value.items()}
        return {key: chosen(one) for key, one in found.items() if type(one) is not Missing}
    return value


def _one_that_holds(value: Any) -> Any:
    while type(value) is Either:
        flag, yes, no = parts(value)
        value = yes if bool(flag) else no
    return value


def refuse(value: Any, what: str) -> NoReturn:
    """Say that a tensor decides what this value is."""
    from .leaves import kind

    _, yes, no = parts(value)
    loc = user_location()
    raise ConversionError(
        f"this value is {kind(yes)} or {kind(no)}, which a tensor decides at the call, so it "
        f"cannot be used as {what} here; give it one kind of value in all branches"
        + (f"\n  at {loc}" if loc else "")
    )
