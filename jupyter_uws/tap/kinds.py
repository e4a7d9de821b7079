"""The kind of a value, as far as the query and the tables tell it: what cannot be compared or calculated is refused.

The engine would notice at some row, and name neither the column nor the place.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from .advice import as_mjd
from .functions import AGGREGATES, FUNCTIONS, GEOMETRY, SHAPES, USER_FUNCTIONS
from .geometry import is_shape, shape_cast
from .grouping import bare
from .schema import Column
from .scope import Scope, Value
from .userfunctions import UserFunctions

_NUMERIC = frozenset({"unsignedByte", "short", "int", "long", "float", "double"})
SPOKEN = {"number": "a number", "text": "text", "time": "a time", "shape": "a region", "truth": "a truth value"}
_WANTED = {"number": "numbers", "text": "texts"}


class Kinds(UserFunctions):
    """``number``, ``text``, ``time``, ``shape``, ``truth``, or None where the kind is not known."""

    def kind(self, node: exp.Expr, scope: Scope) -> str | None:
        node = bare(node)
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else "number"
        if isinstance(node, exp.Boolean):
            return "truth"
        if isinstance(node, exp.DPipe):
            return "text"
        if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.HexString)):
            return "number"
        if isinstance(node, exp.Cast):
            return _kind_of_cast(node)
        if isinstance(node, exp.Column):
            return kind_of(self.column(node, scope))
        return self._kind_of_call(node, scope) if isinstance(node, exp.Anonymous) else None

    def _kind_of_call(self, node: exp.Anonymous, scope: Scope) -> str | None:
        name, arguments = str(node.this).upper(), node.expressions
        if name in GEOMETRY:
            return "text" if name in ("COORDSYS", "REGION") else "shape" if name in SHAPES else "number"
        if name in USER_FUNCTIONS:
            return USER_FUNCTIONS[name].kind
        if name in ("MIN", "MAX", "COALESCE"):
            kinds = (self.kind(argument, scope) for argument in arguments if not isinstance(argument, exp.Distinct))
            return next(filter(None, kinds), None)
        if name in AGGREGATES or name == "IN_UNIT":
            return "number"
        if name == "TIMESTAMP":
            return "time"
        return FUNCTIONS[name].takes if name in FUNCTIONS else None

    def check_takes(self, what: str, wanted: str | None, arguments: Iterable[exp.Expr], scope: Scope) -> None:
        """Refuse arguments of ``what``, a function or a sign, that are not of the kind ``wanted``."""
        for argument in arguments:
            kind = self.kind(argument, scope) if wanted else None
            if kind is not None and kind != wanted:
                advice = "CAST(value AS type) changes the type"
                if what in ("+", "-") and kind == "text":
                    advice = "|| joins texts"
                raise self.error(
                    f"{what} takes {_WANTED[str(wanted)]}, and {self._called(argument, scope)} is {SPOKEN[kind]}:"
                    f" {advice}",
                    argument,
                )

    def check_compared(self, operands: list[exp.Expr], scope: Scope, cannot: str = "be compared") -> None:
        """Refuse to compare a number with a text or a time, and regions with anything.

        What cannot be compared ``cannot`` stand in one COALESCE either, but for regions alone.
        """
        scope = scope.of_rows()
        kinds = {kind: operand for operand in reversed(operands) if (kind := self.kind(operand, scope))}
        if "shape" in kinds and (len(kinds) > 1 or cannot == "be compared"):
            raise self.error(
                f"{self._called(kinds['shape'], scope)} is a region: regions are compared by CONTAINS, INTERSECTS and"
                " DISTANCE",
                kinds["shape"],
            )
        other = "text" if "text" in kinds else "time"
        if "number" not in kinds or other not in kinds:
            return
        number, text = kinds["number"], kinds[other]
        is_literal = isinstance(number, exp.Literal)
        if other == "time":
            advice = "; write CAST('2026-11-22T20:00:00' AS TIMESTAMP)"
        elif is_literal:
            advice = f"; write '{number.sql()}'"
        elif isinstance(number, exp.Column) and isinstance(text, exp.Literal):
            column = self.column(number, scope).column
            advice = as_mjd(text.name, column.unit if column else None)
        else:
            advice = ""
        raise self.error(
            f"{self._called(number, scope)} is a number and {self._called(text, scope)} is {SPOKEN[other]}: they"
            f" cannot {cannot}{advice}",
            number if is_literal else text,
        )

    def check_column(self, node: exp.Expr, value: Value, scope: Scope) -> None:
        """Refuse to look for a number among texts, or the other way round."""
        found = self.kind(node, scope.of_rows()), kind_of(value)
        if {"number", "text"} == set(found):
            raise self.error(
                f"{self._called(node, scope)} is {SPOKEN[str(found[0])]}, and the subquery gives"
                f" {SPOKEN[str(found[1])]}: CAST(value AS type) makes them one type",
                node,
            )

    def _called(self, node: exp.Expr, scope: Scope) -> str:
        node = bare(node)
        if isinstance(node, exp.Column):
            value = self.column(node, scope)
            unit = value.column.unit if value.column else None
            return f"{value.name} ({unit})" if unit else value.name
        if isinstance(node, exp.Anonymous):
            return f"{node.this}(…)"
        return node.sql() if isinstance(node, exp.Literal) else "the value"


def _kind_of_cast(node: exp.Cast) -> str | None:
    kind = node.args["to"].this
    if shape_cast(node) is not None:
        return "shape"
    if kind in (exp.DType.CHAR, exp.DType.VARCHAR):
        return "text"
    return "time" if kind == exp.DType.TIMESTAMP else "number" if kind != exp.DType.USERDEFINED else None


def kind_of(value: Value) -> str | None:
    """The kind of a column of a table or of a query."""
    return value.kind or (_kind_of_column(value.column) if value.column else None)


def _kind_of_column(column: Column) -> str | None:
    if column.datatype in ("char", "unicodeChar"):
        return "time" if column.xtype == "timestamp" else "text"
    if column.arraysize not in (None, "1"):
        return "shape" if is_shape(column) else None
    return "number" if column.datatype in _NUMERIC else "truth" if column.datatype == "boolean" else None
