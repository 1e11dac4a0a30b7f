"""Each transformer alone: source in, source out; and the whole chain keeps Python's meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import gast
import pytest

from wherry.jit import source
from wherry.jit.transforms import CHAIN, Context
from wherry.jit.transforms.assertion import Assertion
from wherry.jit.transforms.break_continue import BreakContinue
from wherry.jit.transforms.call import Call
from wherry.jit.transforms.class_scope import ClassScope
from wherry.jit.transforms.compare import Compare
from wherry.jit.transforms.comprehension import Comprehension
from wherry.jit.transforms.early_return import EarlyReturn
from wherry.jit.transforms.for_loop import ForLoop
from wherry.jit.transforms.generators import Generators
from wherry.jit.transforms.if_else import IfElse
from wherry.jit.transforms.logical import Logical
from wherry.jit.transforms.match import Match
from wherry.jit.transforms.present import Present
from wherry.jit.transforms.scope import names_in
from wherry.jit.transforms.stores import Stores
from wherry.jit.transforms.ternary import Ternary
from wherry.jit.transforms.try_except import TryExcept
from wherry.jit.transforms.while_loop import WhileLoop

CASES: list[tuple[type, str, str]] = [
    (Match, "match a:\n    case 1 | 2 as n if b:\n        c()\n    case _:\n        d()", """\
subject_0 = a
if (subject_0 == 1 or subject_0 == 2) and _jst.bind((n := subject_0)) and b:
    c()
else:
    d()"""),
    (Match, "match a:\n    case [x, *_, None]:\n        b()", """\
subject_0 = a
if _jst.is_sequence(subject_0, 2, True) and _jst.bind((x := subject_0[0])) and (subject_0[-1] is \
None):
    b()""".replace("\\\n", "")),
    (Comprehension, "y = [f(a) for a in b if c]", """\
def listed_0(over_0):
    found_0 = []
    for a in over_0:
        if c:
            found_0.append(f(a))
    return found_0
y = listed_0(_jst.for_comprehension(b))"""),
    (Comprehension, "lambda: [f(a) for a in b]", "lambda: [f(a) for a in b]"),
    (Comprehension, "y = sum((a for a in b if (z := a)))", """\
def items_0(over_0):
    nonlocal z
    for a in over_0:
        if (z := a):
            yield a
y = sum(items_0(_jst.for_comprehension(b)))"""),
    (Generators, "def f(a):\n    for b in a:\n        if b:\n            return\n    yield a", """\
def f(a):
    for b in _jst.python_iter(a, 1, 0):
        if _jst.python_test(b, 1, 0):
            return
    yield a"""),
    (ClassScope, "def f(self):\n    return super().g(self.__x)",
     "def f(self):\n    return super(__class__, self).g(self._Net__x)"),
    (EarlyReturn, "def f(x):\n    y = x\n    return y", "def f(x):\n    y = x\n    return y"),
    (EarlyReturn, "def f(x):\n    if x:\n        return 1\n    return 2", """\
def f(x):
    _jst_returned_0 = False
    if x:
        _jst_value_0 = 1
        _jst_returned_0 = True
    else:
        _jst_value_0 = 2
        _jst_returned_0 = True
    return _jst_value_0"""),
    (EarlyReturn, "def f(x):\n    for i in x:\n        if i:\n            return i", """\
def f(x):
    _jst_returned_0 = False
    for i in x:
        if i:
            _jst_value_0 = i
            _jst_returned_0 = True
            break
    if not _jst_returned_0:
        _jst_value_0 = None
        _jst_returned_0 = True
    return _jst_value_0"""),
    (BreakContinue, "while a:\n    if b:\n        break\n    c()", """\
stop_0 = False
while not stop_0 and a:
    if b:
        stop_0 = True
    else:
        c()"""),
    (BreakContinue, "for i in a:\n    if b:\n        continue\n    c()", """\
for i in a:
    skip_0 = False
    if b:
        skip_0 = True
    else:
        c()"""),
    (BreakContinue, "for i in a:\n    if b:\n        break\nelse:\n    c()", """\
stop_0 = False
for i in a:
    if b:
        stop_0 = True
if not stop_0:
    c()"""),
    (BreakContinue,
     "while a:\n    with b:\n        if c:\n            break\n        d()\n    e()", """\
stop_0 = False
while not stop_0 and a:
    with b:
        if c:
            stop_0 = True
        else:
            d()
    if not stop_0:
        e()"""),
    (Assertion, "assert a, b", "_jst.convert_assert(a, lambda: b)"),
    (Assertion, "raise a", "raise _jst.convert_raise(a)"),
    (Present, "def f(x):\n    if x:\n        y = x\n    return (x, y)", """\
def f(x):
    if x:
        y = x
    return (x, _jst.present(y))"""),
    (TryExcept, "def f(x):\n    try:\n        y = x\n    except E as e:\n        g(e)\n"
     "    finally:\n        h()", """\
def f(x):
    e = y = None
    del e, y

    def try_body_0():
        nonlocal e, y
        y = x

    def except_body_0(error_0):
        nonlocal e, y
        try:
            e = error_0
            g(e)
        finally:
            e = None
            del e

    def try_final_0():
        nonlocal e, y
        h()
    _jst.convert_try(try_body_0, ((lambda: E, except_body_0),), None, try_final_0, ('e', 'y'))"""),
    (TryExcept, "def f(x):\n    try:\n        yield x\n    except:\n        pass", """\
def f(x):
    try:
        with _jst.kept(lambda: BaseException):
            yield x
    except:
        pass"""),
    (TryExcept, "with a as b, c:\n    d", "with _jst.entered(a) as b, _jst.entered(c):\n    d"),
    (Stores, "a.b = c", "_jst.will_write(a, 'b')\na.b = c"),
    (Stores, "x = [a, b][i]", "x = _jst.new_list([a, b])[i]"),
    (Stores, "a[0], b = c", "_jst.will_write(a)\na[0], b = c"),
    (Stores, "f().b = c", "_jst.will_write_unknown()\nf().b = c"),
    (Logical, "a and b or not c",
     "_jst.logical_or(_jst.logical_and(a, lambda: b), lambda: _jst.logical_not(c))"),
    (Logical, "x = a and (b := c)", """\
def part_0():
    nonlocal b
    return (b := c)
x = _jst.logical_and(a, part_0)"""),
    (Logical, "lambda: a and (b := c)", "lambda: a and (b := c)"),
    (Compare, "a < b", "a < b"),
    (Compare, "a < b <= c", "_jst.compare(a, ('<', lambda: b), ('<=', lambda: c))"),
    (Compare, "a is None", "_jst.compare(a, ('is', lambda: None))"),
    (Ternary, "a if b else c", "_jst.convert_ternary(b, lambda: a, lambda: c)"),
    (Call, "f(g(x), k=1)", "_jst.convert_call(f)(_jst.convert_call(g)(x), k=1)"),
    (Call, "super().g(locals())", "_jst.convert_call(super().g)(locals())"),
    (IfElse, "def f(x):\n    if x:\n        y = 1\n    return y", """\
def f(x):
    y = None
    del y

    def true_fn_0():
        nonlocal y
        y = 1

    def false_fn_0():
        nonlocal y
    _jst.convert_ifelse(x, true_fn_0, false_fn_0, ('y',))
    return y"""),
    (WhileLoop, "def f(x):\n    while x:\n        x = x - 1", """\
def f(x):

    def while_test_0():
        nonlocal x
        return x

    def while_body_0():
        nonlocal x
        x = x - 1
    _jst.convert_while(while_test_0, while_body_0, ('x',), ())"""),
    (ForLoop, "def f(x):\n    global g\n    for a, b in x:\n        g = a", """\
def f(x):
    a = b = None
    del a, b
    global g

    def for_body_0(item_0):
        nonlocal a, b
        global g
        a, b = item_0
        g = a
    _jst.convert_for(x, for_body_0, ('a', 'b', 'g'), ('a', 'b'), None)"""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("transformer", "before", "after"),
    CASES,
    ids=[f"{c[0].__name__}-{i}" for i, c in enumerate(CASES)],
)
def test_text(transformer: type, before: str, after: str) -> None:
    tree = gast.parse(before)
    found = transformer(Context("f", "Net", names_in(tree))).visit(tree)
    text = gast.unparse(gast.fix_missing_locations(found)).strip()
    assert text.replace("(a[0], b)", "a[0], b").replace("(a, b) =", "a, b =") == after.strip()


def test_every_transformer_is_in_the_chain() -> None:
    assert {case[0] for case in CASES} == set(CHAIN)


def search(items: Any, wanted: Any) -> Any:
    """A docstring."""
    for i, row in enumerate(items):
        for j, value in enumerate(row):
            if value is None:
                continue
            if value == wanted:
                return i, j
            if value == "stop":
                break
        else:
            last = i
            continue
        break
    else:
        return "all", last
    return "stopped"


def flags(n: Any) -> Any:
    total = 0
    while True:
        n -= 1
        try:
            if n < 0:
                return total
            if n % 2:
                continue
            total += n
        finally:
            total += 100
        if total > 350:
            break
    return "large", total


def late(n: Any) -> Any:
    if n > 2:
        value = n
    elif not n:
        raise ValueError("zero")
    return value


def scopes(n: Any) -> Any:
    calls = []

    def note(text: Any, *more: Any, sep: Any = "-") -> Any:
        nonlocal n
        n = n + len(more)
        calls.append(sep.join([text, *more]))
        return n

    squares = {k: [i * i for i in range(k) if i % 2] for k in range(3)}
    picked = [note("a", "b") if k else note("c") for k in squares]
    first, *rest = picked
    with_walrus = (size := len(rest)) > 1 and 0 <= size < 10 != n
    return calls, squares, picked, first, rest, with_walrus, [(lambda w: w + n)(v) for v in picked]


@pytest.mark.parametrize(("function", "arguments"), [
    (search, [[[1, 2], [None, 3]], 3]), (search, [[[1], [2]], 9]),
    (search, [[["stop", 1], [1]], 1]),
    *((flags, [n]) for n in (0, 1, 2, 5, 9)), *((late, [n]) for n in (0, 1, 5)), (scopes, [3]),
])  # fmt: skip
def test_python_values_keep_pythons_meaning(function: Callable[..., Any], arguments: Any) -> None:
    def outcome(call: Callable[..., Any]) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            return type(error), str(error)[:40]

    converted = source.convert_function(function)  # type: ignore[arg-type]
    assert converted is not None
    assert converted.__name__ == function.__name__ and converted.__doc__ == function.__doc__
    want, got = outcome(function), outcome(converted)
    if want != got:
        # An unbound local is one of a closure now: Python words that differently.
        assert want[0] is UnboundLocalError and issubclass(got[0], NameError)


def test_lines_and_names_are_the_users() -> None:
    converted = source.convert_function(late)  # type: ignore[arg-type]
    assert converted is not None
    with pytest.raises(ValueError, match="zero") as caught:
        converted(0)
    last = caught.traceback[-1]
    assert last.frame.code.name == "late"
    assert str(last.path) == __file__
    assert str(last.statement).strip() == 'raise ValueError("zero")'


def test_a_function_without_source_is_not_converted() -> None:
    names: dict[str, Any] = {}
    exec(textwrap.dedent("def f(x):\n    return x"), names)
    assert source.convert_function(names["f"]) is None
