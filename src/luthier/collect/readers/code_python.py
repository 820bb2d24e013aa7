"""Definitions of a Python file, by its syntax tree; by indentation where it does not parse."""

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import accumulate

from luthier.collect.readers.code_indents import indented_definitions
from luthier.collect.readers.code_units import Definition

LINE_END = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")


def python_definitions(text: str) -> list[Definition]:
    """Functions and classes with their decorators and the comments right above; methods, but no inner functions."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return indented_definitions(text)
    lines = LINE_END.split(text)
    starts = list(accumulate(map(len, lines), initial=0))
    found = []
    for node, depth in _nodes(tree, 0):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
        while first and lines[first - 1].lstrip().startswith("#") and _indent(lines[first - 1]) == node.col_offset:
            first -= 1
        end = starts[(node.end_lineno or node.lineno) - 1] + len(lines[(node.end_lineno or node.lineno) - 1].rstrip())
        found.append(Definition(starts[first] + _indent(lines[first]), end, node.name, depth))
    return found


def _nodes(holder: ast.AST, depth: int) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, int]]:
    """Definitions outside functions, also those under `if` and `try`."""
    for node in ast.iter_child_nodes(holder):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, depth
        elif isinstance(node, ast.ClassDef):
            yield node, depth
            yield from _nodes(node, depth + 1)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While | ast.ExceptHandler):
            yield from _nodes(node, depth)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
