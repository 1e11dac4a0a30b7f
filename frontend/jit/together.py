"""Two values in one structure, whose leaves can be merged one by one: an Either where need be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from wherry.dispatch import tracer
from wherry.ir.found import mentions
from wherry.ir.infer import show
from wherry.tensor import Tensor

from .either import Deferred, Either, Missing, Zeros, both, is_either, negated, parts
from .leaves import common_dtype, dims_of_value, kind, mergeable, original, same, type_of
from .lists import TracedDict, TracedList
from .state import is_tensor
from .structure import Held, bare, flatten, has_parts, is_list_or_dict, of_kind, unflatten


class Unlike(Exception):
    """Two tensors that no loop can carry as one, described."""


def together(a: Any, b: Any, strict: bool = False, keeps: bool = False) -> tuple[Any, Any]:
    """Both values in one structure, whose leaves can be merged one by one.

    Where that takes an Either its flag is True on the left and False on the right. If `strict`,
    tensors of different types raise Unlike. If it `keeps` lists and dicts that are Held, two of
    them are one only if they are the same object.
    """
    # Of two values each is a dict of its own; the contents of one may have keys on one side only.
    open_dicts = all(isinstance(value, TracedDict) for value in (a, b))
    if not keeps:
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
    if _same_container(a, b) or (open_dicts and _all_keys(a, b) is not None):
        return _in_parallel(a, b, partial(together, strict=strict, keeps=keeps))
    return _as_alternatives(a, b) if keeps else _as_alternatives(bare(a), bare(b))


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
    if not active.converts:
        # In static mode the code behind a branch runs once: it has one value.
        return bool(differing)
    return bool(differing) and all(mentions(found, *pair) for pair in differing)


def _same_container(a: Any, b: Any) -> bool:
    are_dicts = is_list_or_dict(a) and is_list_or_dict(b) and isinstance(a, dict)
    if not (type(a) is type(b) and has_parts(a)) and not (are_dicts and isinstance(b, dict)):
        return False
    if isinstance(a, TracedList) and (a.stored or b.stored):
        return False
    return _keys(a) == _keys(b) if isinstance(a, dict) else len(a) == len(b)


def _keys(value: dict[Any, Any]) -> list[Any]:
    """The keys, also those that may not be there."""
    return list(dict.keys(value))


def _in_parallel(a: Any, b: Any, fit: Callable[[Any, Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Two containers of one size, in which `fit` takes the parts in pairs."""
    from .dicts import new_dict

    if isinstance(a, dict):
        found = {key: fit(_value(a, key), _value(b, key)) for key in _all_keys(a, b) or ()}
        one, two = ({key: pair[side] for key, pair in found.items()} for side in (0, 1))
        return new_dict(one), new_dict(two)
    pairs = [fit(x, y) for x, y in zip(a, b, strict=True)]
    left, right = [x for x, _ in pairs], [y for _, y in pairs]
    return of_kind(type(a), left), of_kind(type(a), right)


def _value(value: dict[Any, Any], key: Any) -> Any:
    return dict.get(value, key, Missing(key, KeyError))


def _all_keys(a: dict[Any, Any], b: dict[Any, Any]) -> list[Any] | None:
    """The keys of both in the order that they have in either; None where they have two."""
    left, right = _keys(a), _keys(b)
    shared = set(left) & set(right)
    if [key for key in left if key in shared] != [key for key in right if key in shared]:
        return None
    found: list[Any] = []
    for key in left:
        if key in shared:
            place = right.index(key)
            found += right[:place]
            right = right[place + 1 :]
        found.append(key)
    return found + right


def unshared(a: Any, b: Any) -> tuple[Any, Any]:
    """Both values, in which only lists and dicts that are the same object in both are Held."""
    if type(a) is Held and original(a) is original(b):
        return a, b
    if type(a) is type(b) is Either and _are_same(a, b):
        return a, b
    a, b = (one.copy if type(one) is Held else one for one in (a, b))
    return _in_parallel(a, b, unshared) if _same_container(a, b) else (bare(a), bare(b))


def _are_same(a: Any, b: Any) -> bool:
    """Whether two values of one structure are the same in each leaf."""
    (structure, left), (other, right) = flatten(a), flatten(b)
    return structure == other and all(same(x, y) for x, y in zip(left, right, strict=True))


Alternative = tuple[Any, Any]  # a flag, a value


def _as_alternatives(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as one row of alternatives, of which those that are alike on either side are one.

    So an Either has as many alternatives as there are kinds of value, however often it is merged.
    """
    left, right = list(row(a)), list(row(b))
    places: list[int | None] = []
    for _, value in left:
        alike = (i for i, (_, other) in enumerate(right) if _alike(value, other) is not None)
        places.append(next((i for i in alike if i not in places), None))
    places += (rest := [i for i in range(len(right)) if i not in places])
    left += [(False, unread(right[i][1])) for i in rest]
    moved = [
        (False, unread(left[number][1])) if place is None else _moved(right, place, places[number:])
        for number, place in enumerate(places)
    ]
    return in_a_row(left), in_a_row(moved)


def row(value: Any, given: Any = True) -> Iterator[Alternative]:
    """What a value may be, each with the flag that says so if it is none of those before."""
    if not is_either(value):
        yield given, value
        return
    flag, yes, no = parts(value)
    yield from row(yes, both(given, flag))
    yield from row(no, given)


def _moved(row: Sequence[Alternative], place: int, behind: Sequence[int | None]) -> Alternative:
    """An alternative of a row, of which these come behind it now."""
    flag, value = row[place]
    for number in range(place):
        if number in behind:
            flag = both(flag, negated(row[number][0]))
    return flag, value


def in_a_row(alternatives: Sequence[Alternative]) -> Any:
    """Alternatives as Eithers, each in the last place of the one before it."""
    (flag, value), *others = alternatives
    return Either(flag, value, in_a_row(others)) if others else value


def blank(value: Any) -> Any:
    """A value of this structure that nobody reads: zeros for its tensors."""
    return unread(bare(value))


def unread(value: Any) -> Any:
    """The value with zeros for its tensors; what is Held in it stays."""
    structure, leaves = flatten(value)
    made = [Zeros(type_of(leaf)) if is_tensor(leaf) else leaf for leaf in leaves]
    return unflatten(structure, iter(made))
