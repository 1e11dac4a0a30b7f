"""One value out of two: what a variable is after a branch or a round that depends on a tensor.

Equal Python values stay Python values. Tensors of one shape, and numbers that differ, become one
tensor, in the dtype that holds both. What fits neither becomes an Either of the two.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wherry.dispatch import tracer
from wherry.ir.dims import Dim, dim_max
from wherry.ir.found import ceiling, mentions
from wherry.ir.infer import TensorType, show
from wherry.ir.program import Block, Variable
from wherry.schema.dtypes import DType, as_dtype, bool_, int64
from wherry.tensor import Tensor

from ..framework import default_dtype
from ..traced import Traced
from .either import Deferred, Either, Missing, Negated, Zeros, is_either, parts
from .ends import unset_text
from .found import new_size
from .lists import TracedList
from .sizes import NeedsSizes, Size, plain
from .state import UNSET, Seen, is_poison, is_tensor, is_traced
from .structure import Held, bare, flatten, unflatten

if TYPE_CHECKING:
    from .tracer import ProgramTracer

NUMBERS = (bool, int, float, np.number, np.bool_)
# The name of the variable that holds the value of an early return: it is read under a flag of its
# own, so that no round and no branch needs to say whether it is set.
RETURNED = "_jst_value"


class Joined(NamedTuple):
    """How a leaf is made after the branch: `kept` as it is, or cond result number `place`."""

    kept: Any
    place: int | None = None
    negated: bool = False


class Merger:
    """Collects the results of a cond on `flag` while places are merged one by one."""

    def __init__(self, tracer: ProgramTracer, flag: Traced) -> None:
        self.tracer, self.flag = tracer, flag
        self.pairs: list[tuple[Any, Any, DType]] = []

    def merge(
        self, label: str, one: Seen | None, two: Seen | None
    ) -> Callable[[list[Traced]], Any]:
        """Plan the value of one place; call the result with the cond's outputs to get it.

        None stands for a branch that ends the call.
        """
        yes, no = _sides(label, one, two)
        yes, no = together(yes, no)
        (structure, left), (_, right) = flatten(yes), flatten(no)
        joined = [self._leaf(a, b) for a, b in zip(left, right, strict=True)]
        return lambda outs: _plain(unflatten(structure, self._values(joined, outs)))

    def _leaf(self, yes: Any, no: Any) -> Joined:
        if yes is True and no is False:
            return Joined(self.flag)
        if yes is False and no is True:
            return Joined(self.flag, negated=True)
        for value in (yes, no):
            if is_poison(value):
                return Joined(value)
        if original(yes) is original(no) or same(yes, no):
            return Joined(original(yes))
        self.pairs.append((yes, no, common_dtype(yes, no) or dtype_of_value(yes)))
        return Joined(None, len(self.pairs) - 1)

    def _values(self, joined: list[Joined], outs: list[Traced]) -> Iterator[Any]:
        for one in joined:
            if one.negated:
                yield self.tracer.emit("logical_not", self.flag)
            else:
                yield one.kept if one.place is None else outs[one.place]

    def sizes(self, yes: Block, no: Block) -> list[Dim]:
        """For each two sizes in which results differ a new one: [size, of yes, of no, ...]."""
        found: dict[tuple[str, str], list[Dim]] = {}
        for one, two in zip(yes.results, no.results, strict=True):
            for a, b in zip(one.shape, two.shape, strict=False):
                if a != b and mentions(self.tracer.program.found, a, b):
                    bound = dim_max(*(ceiling(d, self.tracer.program.found) for d in (a, b)))
                    pair = str(a), str(b)
                    found[pair] = found.get(pair) or [new_size(self.tracer, bound), a, b]
        return [dim for triple in found.values() for dim in triple]

    def results(self, side: int) -> list[Variable]:
        """The Variables that one branch yields; call it while the branch's block is open."""
        return [self._result(pair[side], pair[2]) for pair in self.pairs]

    def _result(self, value: Any, dtype: DType) -> Variable:
        return self.tracer.variable(as_tensor_of(self.tracer, value, dtype))


def _sides(label: str, one: Seen | None, two: Seen | None) -> tuple[Any, Any]:
    """What either branch leaves; a stand-in for what nobody reads."""
    yes = None if one is None else or_missing(one.copy, label)
    no = None if two is None else or_missing(two.copy, label)
    unread = label.startswith(RETURNED)
    if one is None:
        return _unread(no), no
    if two is None:
        return yes, _unread(yes)
    if unread and type(yes) is Missing:
        return blank(no), no
    if unread and type(no) is Missing:
        return yes, blank(yes)
    return yes, no


def or_missing(value: Any, label: str) -> Any:
    """The value; for a variable that has none what its reader is told."""
    if value is not UNSET:
        return value
    return Missing(unset_text(label))


def _plain(value: Any) -> Any:
    return UNSET if type(value) is Missing else value


def original(value: Any) -> Any:
    """The tensor that a snapshot is of, the object that is Held; else the value itself."""
    if type(value) is Held:
        return value.origin
    return value.origin if is_traced(value) and value.origin is not None else value


class Unlike(Exception):
    """Two tensors that no loop can carry as one, described."""


def together(a: Any, b: Any, strict: bool = False) -> tuple[Any, Any]:
    """Both values in one structure, whose leaves can be merged one by one.

    Where that takes an Either its flag is True on the left and False on the right. If `strict`,
    tensors of different types raise Unlike.
    """
    a, b = unshared(a, b)
    if isinstance(a, TracedList) and isinstance(b, TracedList):
        lists = _lists_together(a, b)
        if lists is not None:
            return lists
    found = _alike(a, b, strict)
    if found is not None:
        return found
    if strict and is_tensor(a) and is_tensor(b):
        raise Unlike(*(f"{kind(one)} and shape {show(dims_of_value(one))}" for one in (a, b)))
    if _same_container(a, b):
        return _in_parallel(a, b, partial(together, strict=strict))
    a, b = bare(a), bare(b)
    if is_either(a) or is_either(b):
        extended = _with_either(a, b)
        if extended is not None:
            return extended
    return Either(True, a, blank(b)), Either(False, blank(a), b)


def _lists_together(a: TracedList, b: TracedList) -> tuple[Any, Any] | None:
    """Lists of different lengths move into buffers, if their elements are of one kind."""
    from .growing import stored_together

    a, b = bare(a), bare(b)
    plain = a.stored is None and b.stored is None
    if (plain and list.__len__(a) == list.__len__(b)) or (a.stored and b.stored):
        return None
    return stored_together(a, b)


def _alike(a: Any, b: Any, strict: bool = False) -> tuple[Any, Any] | None:
    """The two values themselves if they have one structure and all leaves can be merged."""
    (structure, left), (other, right) = flatten(a), flatten(b)
    if structure != other:
        return None
    pairs = zip(left, right, strict=True)
    if not all((not strict and _one_rank(x, y)) or mergeable(x, y) for x, y in pairs):
        return None
    return a, b


def _one_rank(yes: Any, no: Any) -> bool:
    """Whether two tensors become one, of the sizes of that branch which is taken: where they
    differ, the run finds one of them in any case.
    """
    active: Any = tracer.get()
    if active is None or not all(isinstance(v, (Tensor, Deferred)) for v in (yes, no)):
        return False
    left, right = dims_of_value(yes), dims_of_value(no)
    if len(left) != len(right) or common_dtype(yes, no) is None:
        return False
    found = active.program.found
    differing = [pair for pair in zip(left, right, strict=True) if pair[0] != pair[1]]
    return bool(differing) and all(mentions(found, *pair) for pair in differing)


def _same_container(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or not isinstance(a, (list, tuple, dict)):
        return False
    if isinstance(a, TracedList) and (a.stored or b.stored):
        return False
    return list(a) == list(b) if isinstance(a, dict) else len(a) == len(b)


def _in_parallel(a: Any, b: Any, both: Callable[[Any, Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Two containers of one size, in which `both` takes the parts in pairs."""
    if isinstance(a, dict):
        found = {key: both(a[key], b[key]) for key in a}
        return {k: v[0] for k, v in found.items()}, {k: v[1] for k, v in found.items()}
    pairs = [both(x, y) for x, y in zip(a, b, strict=True)]
    left, right = [x for x, _ in pairs], [y for _, y in pairs]
    if hasattr(type(a), "_fields"):
        return type(a)(*left), type(a)(*right)
    return type(a)(left), type(a)(right)


def unshared(a: Any, b: Any) -> tuple[Any, Any]:
    """Both values, in which only lists and dicts that are the same object in both are Held."""
    if type(a) is Held and original(a) is original(b):
        return a, b
    a, b = (one.copy if type(one) is Held else one for one in (a, b))
    return _in_parallel(a, b, unshared) if _same_container(a, b) else (bare(a), bare(b))


def _with_either(a: Any, b: Any) -> tuple[Any, Any] | None:
    """An Either on one side or both, matched alternative by alternative."""
    if not is_either(a):
        found = _with_either(b, a)
        return None if found is None else (found[1], found[0])
    flag, yes, no = parts(a)
    if not is_either(b):
        for this, value in ((True, yes), (False, no)):
            pair = _alike(value, b)
            if pair is not None:
                if this:
                    return Either(flag, pair[0], no), Either(True, pair[1], blank(no))
                return Either(flag, yes, pair[0]), Either(False, blank(yes), pair[1])
        return None
    other, other_yes, other_no = parts(b)
    straight = _alike(yes, other_yes), _alike(no, other_no)
    if straight[0] and straight[1]:
        return a, b
    crossed = _alike(yes, other_no), _alike(no, other_yes)
    if crossed[0] and crossed[1]:
        return a, Either(_negated(other), other_no, other_yes)
    return None


def _negated(flag: Any) -> Any:
    """The opposite of an Either's flag, which may be a tensor of a branch that is closed by now."""
    return not flag if isinstance(flag, bool) else Negated(flag)


def blank(value: Any) -> Any:
    """A value of this structure that nobody reads: zeros for its tensors."""
    return _unread(bare(value))


def _unread(value: Any) -> Any:
    structure, leaves = flatten(value)
    made = [Zeros(type_of(leaf)) if is_tensor(leaf) else leaf for leaf in leaves]
    return unflatten(structure, iter(made))


def mergeable(yes: Any, no: Any) -> bool:
    """Whether two leaves become one: the same value, or tensors and numbers of one shape."""
    if is_poison(yes) or is_poison(no) or same(yes, no):
        return True
    if not all(isinstance(v, (Tensor, Deferred, Size, *NUMBERS)) for v in (yes, no)):
        return False
    left, right = dims_of_value(yes), dims_of_value(no)
    if left != right:
        _need_sizes(left, right)
    return left == right and common_dtype(yes, no) is not None


def _need_sizes(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Shapes that differ because sizes were left open: trace again with the sizes there are."""
    active: Any = tracer.get()
    if active is None or not active.open_sizes or len(left) != len(right):
        return
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    if all(not (isinstance(a, int) and isinstance(b, int)) for a, b in pairs):
        raise NeedsSizes(show(left))


def as_tensor_of(tracer: ProgramTracer, value: Any, dtype: DType) -> Traced:
    """A number, Size, tensor or stand-in as a traced tensor of this dtype."""
    made: Traced
    if isinstance(value, Deferred):
        made = value.made(tracer, dtype)
        return made
    if isinstance(value, NUMBERS):
        number = value.item() if isinstance(value, np.generic) else value
        made = tracer.emit("fill_constant", shape=[], value=number, dtype=dtype)
        return made
    traced = tracer.as_traced(value)
    if traced.dtype is not dtype:
        traced = tracer.emit("cast", traced, in_dtype=traced.dtype, out_dtype=dtype)
    return traced


def number_dtype(value: Any) -> DType:
    """The dtype of a Python or numpy number as a tensor."""
    if isinstance(value, np.generic):
        return as_dtype(value.dtype)
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else default_dtype()


def fits(value: Any, dtype: DType) -> bool:
    """Whether a number is exactly of this kind: an int for floats too, a float for floats only."""
    kind = number_dtype(value)
    if kind is bool_ or dtype is bool_:
        return kind is dtype
    return dtype.is_float or kind.is_integer


def common_dtype(yes: Any, no: Any) -> DType | None:
    """The dtype that holds both, or None: a bool is no number."""
    left, right = dtype_of_value(yes), dtype_of_value(no)
    if isinstance(yes, NUMBERS) and fits(yes, right):
        return right
    if isinstance(no, NUMBERS) and fits(no, left):
        return left
    return promoted(left, right)


def promoted(left: DType, right: DType) -> DType | None:
    """The dtype that holds the values of both, or None: a bool is no number."""
    if left is right:
        return left
    if left is bool_ or right is bool_:
        return None
    if left.is_float != right.is_float:
        return left if left.is_float else right
    return left if left.itemsize >= right.itemsize else right


def type_of(value: Tensor) -> TensorType:
    """Shape and dtype of a traced or an eager tensor."""
    if isinstance(value, Traced):
        return value.variable.type
    return TensorType(tuple(value.array.shape), value.dtype)


def dtype_of_value(value: Any) -> DType:
    """The dtype of a tensor, a Size or a number."""
    if isinstance(value, Deferred):
        return value.type.dtype
    if isinstance(value, Tensor):
        return value.dtype
    return int64 if isinstance(value, Size) else number_dtype(value)


def dims_of_value(value: Any) -> tuple[Any, ...]:
    """The shape of a tensor; a number has none."""
    if isinstance(value, Deferred):
        return value.type.shape
    return type_of(value).shape if isinstance(value, Tensor) else ()


def same(yes: Any, no: Any) -> bool:
    """Whether two leaves are one value without looking at data that is not there yet."""
    if yes is no or (type(yes) is Held and original(yes) is original(no)):
        return True
    if isinstance(yes, Traced) and isinstance(no, Traced):
        return yes.variable is no.variable
    if isinstance(yes, Tensor) or isinstance(no, Tensor) or type(yes) is not type(no):
        return False
    if isinstance(yes, np.ndarray):
        return yes.dtype == no.dtype and np.array_equal(yes, no)
    if isinstance(yes, Size):
        return bool(plain(yes) == plain(no))
    if isinstance(yes, Missing):
        return True
    if isinstance(yes, types.FunctionType):
        return _same_function(yes, no)
    try:
        return bool(yes == no)
    except Exception:  # whatever the __eq__ of a class of the user raises
        return False


def _same_function(yes: types.FunctionType, no: types.FunctionType) -> bool:
    """Whether a `def` or a lambda gave both: of one code, over the same variables."""
    if yes.__code__ is not no.__code__ or yes.__defaults__ or no.__defaults__:
        return False
    cells = zip(yes.__closure__ or (), no.__closure__ or (), strict=True)
    return not yes.__kwdefaults__ and all(one is other for one, other in cells)


def kind(value: Any) -> str:
    """What a value is, for messages."""
    if value is None:
        return "None"
    if isinstance(value, Missing):
        return "nothing (it is not assigned)"
    if isinstance(value, (Tensor, Deferred)):
        return f"a tensor of dtype {dtype_of_value(value).name}"
    if isinstance(value, TracedList):
        return "a list whose length is a tensor" if value.stored else f"a list of {len(value)}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (*NUMBERS, str)):
        return f"the {type(value).__name__} {value!r}"
    return f"a {type(value).__name__}"
