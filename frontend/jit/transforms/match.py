"""`match`: `if` and `elif`, so that a literal is compared with a tensor like in any condition.

match s:                      subject_0 = s
    case 1 | 2: a()           if subject_0 == 1 or subject_0 == 2: a()
    case n if n > 5: b()      elif _jst.bind((n := subject_0)) and n > 5: b()
    case _: c()               else: c()
"""

from __future__ import annotations

import copy
from typing import Any

import gast

from .scope import Transformer, assign, at, constant, jst, load, store


class Match(Transformer):
    def visit_Match(self, node: Any) -> Any:
        self.generic_visit(node)
        name = self.context.fresh("subject")
        rest: list[Any] = []
        for case in reversed(node.cases):
            tests = _tests(case.pattern, load(name))
            tests += [case.guard] if case.guard is not None else []
            rest = [_if(tests, case.body, rest, case)] if tests else case.body
        return [at(node.subject, assign(name, node.subject)), *rest]


def _if(tests: list[Any], body: list[Any], orelse: list[Any], case: Any) -> Any:
    origin = case.guard if case.guard is not None else case.pattern
    return at(origin, gast.If(test=_all(tests), body=body, orelse=orelse))


def _all(tests: list[Any]) -> Any:
    return tests[0] if len(tests) == 1 else gast.BoolOp(op=gast.And(), values=tests)


def _tests(pattern: Any, subject: Any) -> list[Any]:
    """The conditions under which the pattern matches, in order; its names are bound on the way."""
    return _KINDS[type(pattern)](pattern, subject)


def _value(pattern: Any, subject: Any) -> list[Any]:
    return [gast.Compare(left=subject, ops=[gast.Eq()], comparators=[pattern.value])]


def _singleton(pattern: Any, subject: Any) -> list[Any]:
    value = constant(pattern.value)
    return [gast.Compare(left=subject, ops=[gast.Is()], comparators=[value])]


def _as(pattern: Any, subject: Any) -> list[Any]:
    inner = [] if pattern.pattern is None else _tests(pattern.pattern, subject)
    return inner if pattern.name is None else [*inner, _bound(pattern.name, subject)]


def _bound(name: str, value: Any) -> Any:
    return jst("bind", gast.NamedExpr(target=store(name), value=value))


def _or(pattern: Any, subject: Any) -> list[Any]:
    sides = [_tests(one, copy.deepcopy(subject)) for one in pattern.patterns]
    values = [_all(side) if side else constant(True) for side in sides]
    return [gast.BoolOp(op=gast.Or(), values=values)]


def _sequence(pattern: Any, subject: Any) -> list[Any]:
    parts = pattern.patterns
    stars = [i for i, part in enumerate(parts) if isinstance(part, gast.MatchStar)]
    found = [jst("is_sequence", subject, constant(len(parts) - len(stars)), constant(bool(stars)))]
    for i, part in enumerate(parts):
        if not stars or i < stars[0]:
            found += _tests(part, _item(subject, constant(i)))
        elif i > stars[0]:
            found += _tests(part, _item(subject, constant(i - len(parts))))
        elif part.name is not None:
            middle = jst("middle", subject, constant(i), constant(len(parts) - 1 - i))
            found.append(_bound(part.name, middle))
    return found


def _mapping(pattern: Any, subject: Any) -> list[Any]:
    found = [jst("is_mapping", subject, *pattern.keys)]
    for key, part in zip(pattern.keys, pattern.patterns, strict=True):
        found += _tests(part, _item(subject, key))
    if pattern.rest is not None:
        found.append(_bound(pattern.rest, jst("without", subject, *pattern.keys)))
    return found


def _class(pattern: Any, subject: Any) -> list[Any]:
    found = [jst("is_instance", subject, pattern.cls, *map(constant, pattern.kwd_attrs))]
    for i, part in enumerate(pattern.patterns):
        found += _tests(part, jst("positional", subject, pattern.cls, constant(i)))
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        found += _tests(part, gast.Attribute(value=subject, attr=name, ctx=gast.Load()))
    return found


def _item(subject: Any, key: Any) -> Any:
    value = copy.deepcopy(subject)
    return gast.Subscript(value=value, slice=copy.deepcopy(key), ctx=gast.Load())


_KINDS = {
    gast.MatchValue: _value, gast.MatchSingleton: _singleton, gast.MatchAs: _as, gast.MatchOr: _or,
    gast.MatchSequence: _sequence, gast.MatchMapping: _mapping, gast.MatchClass: _class,
}  # fmt: skip
