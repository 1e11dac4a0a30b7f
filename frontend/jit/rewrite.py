"""From a function to the code of its converted twin: source, tree, transformers, code object.

The code keeps the original file and lines, so that tracebacks, debuggers and `user_location` show
the user's own text. It shares the closure cells, globals and defaults of the original.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Collection
from typing import Any

import gast

from .transforms import Context, transform
from .transforms.scope import names_in


def rewrite(
    function: types.FunctionType, pushed: Collection[tuple[int, int]] = ()
) -> types.CodeType | None:
    """The code of the converted function; None where its source is not known.

    `pushed` is where the generators in its file begin that are converted in their other form.
    """
    found = _converted(function, pushed)
    return None if found is None else _compile(function, *found)


def text_of(function: types.FunctionType, pushed: Collection[tuple[int, int]] = ()) -> str:
    """The text of the converted function, which must have a source."""
    found = _converted(function, pushed)
    assert found is not None
    return str(gast.unparse(gast.fix_missing_locations(found[0])).strip("\n"))


def _converted(
    function: types.FunctionType, pushed: Collection[tuple[int, int]]
) -> tuple[Any, Context] | None:
    node = _definition(function)
    if node is None:
        return None
    context = Context(function.__name__, _class_of(function), names_in(node), pushed=pushed)
    return transform(node, context), context


def _definition(function: types.FunctionType) -> Any:
    """The gast node of the function's definition, with the file's lines; None if unknown."""
    code = function.__code__
    try:
        # A lambda inside of brackets over several lines is no statement: then it is the whole file.
        tree = _parsed(*inspect.getsourcelines(code)) or _parsed(inspect.findsource(code)[0], 1)
    except (OSError, TypeError):
        return None
    found = [node for node in ast.walk(tree) if _is_definition(node, function)] if tree else []
    if len(found) > 1:
        found = _around(found, code)
    if len(found) != 1:
        return None
    node = gast.ast_to_gast(ast.Module(body=[_as_statement(found[0])], type_ignores=[])).body[0]
    if isinstance(node, gast.FunctionDef):
        node.decorator_list, node.returns = [], None
        return node
    return node


def _parsed(lines: list[str], first: int) -> ast.AST | None:
    """The tree of these lines of a file; None where they are no statements."""
    indented = lines[0][:1].isspace()
    text = "".join(lines)
    try:
        tree = ast.parse("if 1:\n" + text if indented else text)
    except SyntaxError:
        return None
    return ast.increment_lineno(tree, first - 1 - indented)


def _around(lambdas: list[Any], code: types.CodeType) -> list[Any]:
    """The one of several lambdas of one line that the code is of: the innermost that holds it."""
    # What Python puts in itself, as for the cells of a comprehension, stands nowhere.
    spans = [span for span in code.co_positions() if None not in span and span[2:] != (0, 0)]
    starts = [(line, column) for line, _, column, _ in spans]
    ends = [(line, column) for _, line, _, column in spans]
    holding = [
        node for node in lambdas
        if all((node.body.lineno, node.body.col_offset) <= start for start in starts)
        and all(end <= (node.body.end_lineno, node.body.end_col_offset) for end in ends)
    ]  # fmt: skip
    return holding[-1:]


def _is_definition(node: ast.AST, function: types.FunctionType) -> bool:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
        start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        return start == code.co_firstlineno
    if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return node.lineno == code.co_firstlineno and tuple(a.arg for a in args) == names
    return False


def _as_statement(node: Any) -> ast.stmt:
    """A lambda as the function that it is."""
    if isinstance(node, ast.FunctionDef):
        return node
    body: list[ast.stmt] = [ast.copy_location(ast.Return(value=node.body), node.body)]
    made = ast.FunctionDef(
        name="_lambda_", args=node.args, body=body, decorator_list=[], returns=None,
    )  # fmt: skip
    made.type_params = []  # type: ignore[attr-defined]
    return ast.copy_location(made, node)


def _class_of(function: types.FunctionType) -> str:
    parts = function.__qualname__.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else ""


def _compile(function: types.FunctionType, node: Any, context: Context) -> types.CodeType:
    """Compile inside a factory whose parameters are the free variables; take the inner code."""
    tree = gast.gast_to_ast(gast.Module(body=[node], type_ignores=[]))
    # Under a name of its own: the function's name stays the global that it was, for recursion.
    inner = tree.body[0]
    inner.name = "_jst_converted"
    free = [*function.__code__.co_freevars, "_jst"]
    params = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=name) for name in free], kwonlyargs=[], kw_defaults=[],
        defaults=[],
    )  # fmt: skip
    for arg in [*inner.args.posonlyargs, *inner.args.args, *inner.args.kwonlyargs]:
        arg.annotation = None
    factory = ast.FunctionDef(name="factory", args=params, body=[inner], decorator_list=[])
    factory.type_params = []  # type: ignore[attr-defined]
    module = ast.fix_missing_locations(ast.Module(body=[factory], type_ignores=[]))
    filename = function.__code__.co_filename
    code = compile(module, filename, "exec", flags=_future_flags(function), dont_inherit=True)
    outer = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    made = next(
        c for c in outer.co_consts if isinstance(c, types.CodeType) and c.co_name == inner.name
    )
    original = function.__code__
    return _renamed(made, context.generated, original.co_name, original.co_qualname)


def _future_flags(function: types.FunctionType) -> int:
    import __future__

    known = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
    return sum(flag for flag in set(known) if function.__code__.co_flags & flag)


def _renamed(code: types.CodeType, generated: set[str], name: str, qualname: str,
             top: bool = True) -> types.CodeType:  # fmt: skip
    """Frames of generated functions show the name of the user's function."""
    consts = tuple(
        _renamed(c, generated, name, qualname, False) if isinstance(c, types.CodeType) else c
        for c in code.co_consts
    )
    if top or code.co_name in generated:
        return code.replace(co_consts=consts, co_name=name, co_qualname=qualname)
    return code.replace(co_consts=consts)
