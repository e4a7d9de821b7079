"""The source of a function, or of a notebook's cell, with what it uses of where it was written.

What is captured is text: imports, functions and classes of the notebook, and constants that text can hold. So a job's
folder shows what was run, and nothing is unpickled anywhere.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import json
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .describe import DescriptionError

#: Bytes of source that a job may have.
SOURCE_MAX = 512 * 1024
_FUTURE = "from __future__ import annotations"


def of_function(function: Callable[..., Any]) -> str:
    """Source that defines the function in an empty module, without its decorators.

    Raises
    ------
    DescriptionError
        Its source is not known, or it uses something that text cannot hold.
    """
    found: dict[str, str] = {}
    own = _definition(function)
    _add_globals(function.__name__, _names(function, own), function.__globals__, found, {function.__name__})
    return _checked("\n\n".join([_FUTURE, *found.values(), own]) + "\n")


def of_cell(cell: str, namespace: Mapping[str, Any], given: set[str]) -> str:
    """A cell's source, after what it uses of the notebook: imports, functions, constants.

    Names in ``given`` are the cell's inputs. Raises DescriptionError for what the cell uses otherwise, and SyntaxError.
    """
    code = compile(cell, "<cell>", "exec")
    found: dict[str, str] = {}
    # what a cell sets itself before it reads it is its own
    wanted = [name for name in _globals(code) if name not in given and not _set_first(code, name)]
    _add_globals("the cell", wanted, namespace, found, set(given))
    return _checked("\n\n".join([*found.values(), cell]))


def _checked(source: str) -> str:
    if len(source.encode()) > SOURCE_MAX:
        raise DescriptionError(f"the code has {len(source)} letters; at most {SOURCE_MAX} are possible")
    return source


def _definition(thing: Any) -> str:
    """The source of a function or class from its ``def`` or ``class`` on."""
    name = getattr(thing, "__name__", repr(thing))
    try:
        source = textwrap.dedent(inspect.getsource(thing))
        node = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        raise DescriptionError(f"the source of {name} is not known: write it in a cell or a module") from None
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        raise DescriptionError(f"{name} is not a function written with def")
    if getattr(thing, "__closure__", None):
        raise DescriptionError(f"{name} uses variables of the function around it: give them as parameters")
    return "\n".join(source.splitlines()[node.lineno - 1 :])


def _names(function: Any, source: str) -> list[str]:
    """The global names that a function uses, in its body and in its defaults."""
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)  # noqa: S101 (see _definition)
    defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    in_defaults = [part.id for default in defaults for part in ast.walk(default) if isinstance(part, ast.Name)]
    return [*in_defaults, *_globals(function.__code__)]


def _globals(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)


def _set_first(code: types.CodeType, name: str) -> bool:
    """Whether a cell sets a name before it reads it."""
    for instruction in dis.get_instructions(code):
        if instruction.argval == name and instruction.opname in ("LOAD_NAME", "STORE_NAME"):
            return instruction.opname == "STORE_NAME"
    return False


def _add_globals(
    user: str, names: Iterable[str], namespace: Mapping[str, Any], found: dict[str, str], done: set[str]
) -> None:
    """Add what ``user`` uses of a namespace to what was found, each thing after what it uses itself."""
    home = ("__main__", namespace.get("__name__"))
    for name in names:
        if name in done or (name not in namespace and hasattr(builtins, name)):
            continue
        done.add(name)
        if name not in namespace:
            raise DescriptionError(f"{user} uses {name}, which is not defined")
        thing = namespace[name]
        if hasattr(thing, "job_type") and hasattr(thing, "function"):  # a job of one's own, called as a function
            thing = thing.function
        if isinstance(thing, types.ModuleType):
            found[name] = f"import {thing.__name__} as {name}"
        elif isinstance(thing, (types.FunctionType, type)) and thing.__module__ in home:
            own = _definition(thing)
            used = _names(thing, own) if isinstance(thing, types.FunctionType) else _names_of_class(own, namespace)
            _add_globals(name, used, namespace, found, done)
            found[name] = own
        elif str(getattr(thing, "__qualname__", "")).isidentifier() and getattr(thing, "__module__", None):
            found[name] = f"from {thing.__module__} import {thing.__qualname__} as {name}"
        else:
            found[name] = f"{name} = {_constant(user, name, thing)}"


def _names_of_class(source: str, namespace: Mapping[str, Any]) -> list[str]:
    names = [part.id for part in ast.walk(ast.parse(source)) if isinstance(part, ast.Name)]
    return [name for name in names if name in namespace]


def _constant(user: str, name: str, thing: Any) -> str:
    try:
        same = json.loads(json.dumps(thing, allow_nan=False)) == (list(thing) if isinstance(thing, tuple) else thing)
    except (TypeError, ValueError):
        same = False
    text = repr(thing)
    if not same or len(text) > 10_000:
        kind = type(thing).__name__
        raise DescriptionError(f"{user} uses {name}, a {kind} of the notebook: give it as a parameter or an input")
    return text
