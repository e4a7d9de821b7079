"""Values and conditions of a query: the translator's part below clauses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqlglot import exp

from . import sphere, units
from .advice import of_function
from .casts import Casts
from .functions import AGGREGATES, FUNCTIONS, GEOMETRY, KNOWN, PREDICATES, USER_FUNCTIONS
from .geometry import shape_cast
from .grouping import aggregates, bare, form_of
from .narrowing import Near, Spread, narrowed
from .schema import Column
from .scope import NOT_ASCII, Scope, Value, sql_text

_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.DPipe: "||"}
_COMPARISON: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_PREDICATES = (*_COMPARISON, exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Exists)
_SAME_UNIT = {"ABS", "AVG", "CEILING", "FLOOR", "MAX", "MIN", "MOD", "ROUND", "SUM", "TRUNCATE"}
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")


class Expressions(Casts):
    """Translates values and conditions; :class:`~jupyter_uws.tap.adql._Translator` adds the clauses."""

    # values

    def described(self, node: exp.Expr, scope: Scope) -> Value:
        """An item of a select list: its SQL, its name, and the description of a plain column."""
        outer, self.leaves = self.leaves, set()
        try:
            inner = bare(node)
            if isinstance(inner, exp.Column):
                return self.column(inner, scope)
            sql = self.value(node, scope)
            rows, leaves = scope.of_rows(), frozenset(self.leaves)
            column, kind = self._column_of(inner, rows), self.kind(inner, rows)
            return Value(self._name_of(inner), sql, column, leaves, kind=kind)
        finally:
            self.leaves = outer | self.leaves

    def value(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node, exp.Column):
            return self.column(node, scope).sql
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if scope.grouped and form_of(node) in scope.grouped.values():
            sql = self.value(node, scope.of_rows())
            if sql in scope.grouped:
                return sql
        if isinstance(node, exp.HexString):
            self.only(node, "this")
            return _integer(int(node.name, 16) if not node.name.isdecimal() else int(node.name))
        if isinstance(node, exp.Boolean):
            return "TRUE" if node.this else "FALSE"
        if isinstance(node, exp.Null):
            return "NULL"
        if isinstance(node, exp.Paren):
            self.only(node, "this")
            return f"({self.value(node.this, scope)})"
        if isinstance(node, exp.Neg):
            self.check_takes("-", "number", [node.this], scope.of_rows())
            return f"(-{self.value(node.this, scope)})"
        if type(node) in _ARITHMETIC:
            return self._chain(node, scope)
        if isinstance(node, exp.Cast):
            return self.cast(node, scope)
        if isinstance(node, exp.Anonymous):
            return self._function(node, scope)
        if isinstance(node, exp.Subquery):
            return self._scalar(node, scope)
        if isinstance(node, _PREDICATES):
            raise self.error("a condition is not a value: it belongs into WHERE, HAVING or ON", node)
        if isinstance(node, exp.Star):
            raise self.error("* is not expected here", node)
        if isinstance(node, exp.Dot):
            raise self.error("a '.' stands once in a number, and between the parts of a name", node)
        raise self.error(f"{_spoken(node)} is not ADQL", node)

    def _chain(self, node: exp.Expr, scope: Scope) -> str:
        # a + b + c leans to the left: walked in a loop, for it may be long
        operands: list[tuple[str, exp.Expr]] = []
        first = node
        while type(first) in _ARITHMETIC and len(operands) < 1000:
            operands.append((_ARITHMETIC[type(first)], first.expression))
            first = first.this
        sql = "(" * len(operands) + self._operand(first, operands[-1][0], scope)
        for sign, operand in reversed(operands):
            sql += f" {sign} {self._operand(operand, sign, scope)})"
        return sql

    def _operand(self, node: exp.Expr, sign: str, scope: Scope) -> str:
        if sign != "||":
            self.check_takes(sign, "number", [node], scope.of_rows())
            if isinstance(node, exp.Literal) and node.name.isdecimal() and len(node.name) < 19:
                # beside a SMALLINT, DuckDB would take the number for one, too, and the result would soon be too large
                return f"CAST({node.name} AS BIGINT)"
        elif self.kind(node, scope.of_rows()) == "shape":
            raise self.error("|| joins texts: CAST(value AS VARCHAR) makes one of a region", node)
        return self.value(node, scope)

    def _literal(self, node: exp.Literal) -> str:
        if node.is_string:
            if not node.name.isascii():
                self.leaves.add(NOT_ASCII)
            return sql_text(node.name)
        text = node.name
        if text.isdecimal() and text.isascii():
            return _integer(int(text))
        if not _NUMBER.match(text):
            raise self.error(f"{text!r} is not a number", node)
        # an exponent makes it a DOUBLE; without, DuckDB would calculate in decimals
        return text if "e" in text.lower() else text + "e0"

    def _scalar(self, node: exp.Subquery, scope: Scope) -> str:
        self.only(node, "this")
        sql, values = self.rows(node.this, scope)
        if len(values) != 1:
            raise self.error(f"a subquery used as a value has one column, not {len(values)}", node)
        return f"({sql})"

    # functions

    def _function(self, node: exp.Anonymous, scope: Scope) -> str:
        self.only(node, "this", "expressions")
        if not isinstance(node.this, str):
            raise self.error(f"there is no function {node.name!r}", node)
        name, arguments = node.this.upper(), node.expressions
        if name in AGGREGATES:
            return self._aggregate(name, node, scope)
        if name in GEOMETRY:
            return self.geometry(name, node, scope)
        if name in USER_FUNCTIONS:
            return self.user_function(name, node, scope)
        if name == "IN_UNIT":
            return self._in_unit(node, scope)[0]
        if name == "TIMESTAMP":
            return self._timestamp(node, scope)
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.error(f"there is no function {node.this}{of_function(name, KNOWN)}", node)
        if not function.least <= len(arguments) <= function.most:
            count = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
            raise self.error(f"{name} takes {count} arguments, not {len(arguments)}", node)
        if name == "RAND":  # a seed is allowed, and without effect
            for seed in arguments:
                self.whole_number(seed, "RAND")
            arguments = []
        self.check_takes(name, function.takes, arguments, scope.of_rows())
        if name == "COALESCE":
            self.check_compared(arguments, scope, "stand in one COALESCE")
        return function.sql(name, [self.value(argument, scope) for argument in arguments])

    def _timestamp(self, node: exp.Anonymous, scope: Scope) -> str:
        if len(node.expressions) != 1:
            raise self.error("TIMESTAMP takes one text, such as '2026-11-22T20:00:00'", node)
        return self.moment(node.expressions[0], scope)

    def _in_unit(self, node: exp.Anonymous, scope: Scope) -> tuple[str, Column]:
        """The SQL, and the description of the value in its new unit."""
        arguments = node.expressions
        if len(arguments) != 2 or not isinstance(arguments[1], exp.Literal) or not arguments[1].is_string:
            raise self.error("IN_UNIT takes a value and a unit in quotes, such as IN_UNIT(t_exptime, 'h')", node)
        for part in arguments[0].walk():
            if isinstance(part, exp.Anonymous) and str(part.this).upper() == "IN_UNIT":
                # each would be translated twice, for its value and for its unit
                raise self.error("IN_UNIT does not take what another IN_UNIT gives", part)
        self.check_takes("IN_UNIT", "number", arguments[:1], scope.of_rows())
        value = self.described(arguments[0], scope)
        column, unit = value.column or Column(value.name, "double"), arguments[1].name
        known = column.unit or self._unit_of(arguments[0], scope.of_rows())
        if not known:
            raise self.error(f"IN_UNIT: the unit of {value.name} is not known", node)
        try:
            factor = units.factor(known, unit)
        except ValueError as error:
            raise self.error(f"IN_UNIT: {error}", arguments[1]) from None
        return f"({value.sql} * {factor!r})", replace(column, datatype="double", unit=unit, principal=False, std=False)

    def _unit_of(self, node: exp.Expr, scope: Scope) -> str | None:
        """The unit of what is calculated from values of one unit; None where it is another, or not known."""
        node = bare(node)
        if isinstance(node, exp.Column):
            column = self.column(node, scope).column
            return column.unit if column else None
        if isinstance(node, (exp.Neg, exp.Cast)):
            return self._unit_of(node.this, scope)
        if isinstance(node, (exp.Add, exp.Sub)):
            return self._one_unit((node.this, node.expression), scope)
        if isinstance(node, (exp.Mul, exp.Div)):
            if isinstance(bare(node.expression), exp.Literal):
                return self._unit_of(node.this, scope)
            is_times = isinstance(node, exp.Mul) and isinstance(bare(node.this), exp.Literal)
            return self._unit_of(node.expression, scope) if is_times else None
        if not isinstance(node, exp.Anonymous):
            return None
        name = str(node.this).upper()
        if name in GEOMETRY:
            column = self.shape_column(name)
            return column.unit if column else None
        if name == "COALESCE":
            return self._one_unit(node.expressions, scope)
        if name in _SAME_UNIT and node.expressions:
            argument = node.expressions[0]
            return self._unit_of(argument.expressions[0] if isinstance(argument, exp.Distinct) else argument, scope)
        return None

    def _one_unit(self, nodes: Iterable[exp.Expr], scope: Scope) -> str | None:
        found = {self._unit_of(node, scope) for node in nodes}
        return found.pop() if len(found) == 1 else None

    def _aggregate(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        arguments = node.expressions
        if name == "IVO_STRING_AGG":
            return self._string_agg(node, scope)
        if len(arguments) != 1:
            raise self.error(f"{name} takes one argument", node)
        argument, distinct = arguments[0], ""
        if isinstance(argument, exp.Distinct):
            self.only(argument, "expressions")
            if len(argument.expressions) != 1:
                raise self.error(f"{name}(DISTINCT …) takes one argument", node)
            argument, distinct = argument.expressions[0], "DISTINCT "
        if isinstance(argument, exp.Star):
            self.only_star(argument)
            if name != "COUNT" or distinct:
                raise self.error(f"* is for COUNT(*) only, not {name}", node)
            return "count(*)"
        if name in ("SUM", "AVG"):
            self.check_takes(name, "number", [argument], scope.of_rows())
        if (inner := next(aggregates(argument), None)) is not None:
            raise self.error(f"{name} does not take what {inner.name} gives: count in a subquery of FROM first", inner)
        return f"{name.lower()}({distinct}{self.value(argument, scope.of_rows())})"

    def _string_agg(self, node: exp.Anonymous, scope: Scope) -> str:
        if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Literal):
            raise self.error("ivo_string_agg takes a value and the text between two of them, such as ', '", node)
        for part in aggregates(node.expressions[0]):
            raise self.error(f"ivo_string_agg does not take what {part.name} gives", part)
        value, between = (self.value(argument, scope.of_rows()) for argument in node.expressions)
        return f"string_agg(CAST({value} AS VARCHAR), {between})"

    # conditions

    def condition(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node, (exp.And, exp.Or)):
            return self._connected(node, scope)
        if isinstance(node, exp.Paren):
            self.only(node, "this")
            return f"({self.condition(node.this, scope)})"
        if isinstance(node, exp.Not):
            return f"(NOT {self.condition(node.this, scope)})"
        if type(node) in _COMPARISON:
            return self._comparison(node, scope)
        if isinstance(node, (exp.Like, exp.ILike)):
            self.only(node, "this", "expression", "negate")
            self.check_takes(type(node).__name__.upper(), "text", [node.this, node.expression], scope.of_rows())
            sign = ("NOT " if node.args.get("negate") else "") + type(node).__name__.upper()
            return f"({self.value(node.this, scope)} {sign} {self.value(node.expression, scope)})"
        if isinstance(node, exp.Is):
            self.only(node, "this", "expression", "negate")
            if not isinstance(node.expression, exp.Null):
                raise self.error("IS is for IS NULL and IS NOT NULL only", node)
            return f"({self.value(node.this, scope)} IS {'NOT ' if node.args.get('negate') else ''}NULL)"
        if isinstance(node, exp.Between):
            self.only(node, "this", "low", "high", "negate")
            this, low, high = (self.value(node.args[key], scope) for key in ("this", "low", "high"))
            self.check_compared([node.args[key] for key in ("this", "low", "high")], scope)
            return f"({this} {'NOT ' if node.args.get('negate') else ''}BETWEEN {low} AND {high})"
        if isinstance(node, exp.In):
            return self._in(node, scope)
        if isinstance(node, exp.Exists):
            self.only(node, "this")
            return f"EXISTS ({self.rows(node.this, scope)[0]})"
        if isinstance(node, exp.Anonymous) and str(node.this).upper() in PREDICATES:
            raise self.error(f"{node.this} gives 1 or 0: write 1 = {node.this}(…)", node)
        raise self.error("a condition is expected here, such as a comparison", node)

    def _connected(self, node: exp.Expr, scope: Scope) -> str:
        word, parts = type(node).__name__.upper(), []
        first = node
        while type(first) is type(node):
            parts.append(first.expression)
            first = first.this
        return "(" + f" {word} ".join(self.condition(part, scope) for part in (first, *reversed(parts))) + ")"

    def _comparison(self, node: exp.Expr, scope: Scope) -> str:
        self.only(node, "this", "expression")
        # 1 = CONTAINS(…) is a condition of its own, which the engine can use better
        if asked := _asked(node):
            name, call, wanted = asked
            condition = self.geometric_condition(name, call, scope)
            return condition if wanted else f"(NOT {condition})"
        left, right = node.this, node.expression
        sql = f"({self.value(left, scope)} {_COMPARISON[type(node)]} {self.value(right, scope)})"
        self.check_compared([left, right], scope)
        return sql

    def filtered(self, node: exp.Expr, scope: Scope) -> Iterator[str | Near | Spread]:
        """The conditions that all must hold for a row to be kept, and what follows from them for its cell."""
        for part in _conjuncts(node):
            if (asked := _asked(part)) and asked[2]:
                self.only(part, "this", "expression")
                condition, first, second = self.compared(asked[0], asked[1], scope)
                yield condition
                yield from narrowed(first, second)
                continue
            yield self.condition(part, scope)
            if found := _nearer(part):
                start, end = self.ends(found[0], scope)
                if start.place is None:
                    start, end = end, start
                radius = self.value(found[1], scope)
                circle = sphere.Circle(end, f"CAST({radius} AS DOUBLE)")
                yield from narrowed(start, circle, is_open=isinstance(part, (exp.LT, exp.GT)))

    def _in(self, node: exp.In, scope: Scope) -> str:
        if node.args.get("field"):
            raise self.error("IN is followed by values in parentheses: IN ('a', 'b')", node)
        self.only(node, "this", "expressions", "query", "negate")
        this, sign = self.value(node.this, scope), "NOT IN" if node.args.get("negate") else "IN"
        query = node.args.get("query")
        if query is not None:
            sql, values = self.rows(query, scope)
            if len(values) != 1:
                raise self.error(f"IN (SELECT …): the subquery has one column, not {len(values)}", node)
            self.check_column(node.this, values[0], scope)
            return f"({this} {sign} ({sql}))"
        if not node.expressions:
            raise self.error("IN () has no values", node)
        items = ", ".join(self.value(item, scope) for item in node.expressions)
        self.check_compared([node.this, *node.expressions], scope)
        return f"({this} {sign} ({items}))"

    # descriptions

    def _name_of(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Anonymous) and isinstance(node.this, str):
            return node.this.lower()
        return "cast" if isinstance(node, exp.Cast) else "value"

    def _column_of(self, node: exp.Expr, scope: Scope) -> Column | None:
        """What is known of a computed column: the unit of a distance; MIN and MAX keep the column's description."""
        if isinstance(node, exp.Cast) and (shape := shape_cast(node)) is not None:
            return self.shape_column(shape)
        if not isinstance(node, exp.Anonymous) or not isinstance(node.this, str):
            return None
        name = node.this.upper()
        if name in GEOMETRY:
            return self.shape_column(name)
        if name == "IN_UNIT":
            return self._in_unit(node, scope)[1]
        if name == "TIMESTAMP":
            return Column("timestamp", "char", arraysize="*", xtype="timestamp")
        if name in ("MIN", "MAX") and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Column):
            column = self.column(node.expressions[0], scope).column
            if column is not None and column.ucd:
                # stat.min and stat.max are no first words (UCD1+, section 3.3)
                ucd = ";".join(dict.fromkeys([*column.ucd.split(";"), f"stat.{name.lower()}"]))
                return replace(column, name=name.lower(), utype=None, ucd=ucd)
            return column
        return None


def _asked(node: exp.Expr) -> tuple[str, exp.Anonymous, bool] | None:
    """What ``1 = CONTAINS(…)``, or the same with 0 or INTERSECTS, asks."""
    if type(node) is not exp.EQ:
        return None
    for number, call in ((node.this, node.expression), (node.expression, node.this)):
        if (
            isinstance(number, exp.Literal)
            and number.name in ("0", "1")
            and not number.is_string
            and isinstance(call, exp.Anonymous)
            and (name := str(call.this).upper()) in ("CONTAINS", "INTERSECTS")
        ):
            return name, call, number.name == "1"
    return None


def _nearer(node: exp.Expr) -> tuple[exp.Anonymous, exp.Literal] | None:
    """The DISTANCE and the number that it must not exceed, where the comparison is one of these."""
    if isinstance(node, (exp.LT, exp.LTE)):
        call, radius = node.this, node.expression
    elif isinstance(node, (exp.GT, exp.GTE)):
        radius, call = node.this, node.expression
    else:
        return None
    if not isinstance(call, exp.Anonymous) or str(call.this).upper() != "DISTANCE":
        return None
    return (call, radius) if isinstance(radius, exp.Literal) and not radius.is_string else None


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    """The operands of all ANDs at the top of a condition."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, exp.Paren):
            waiting.append(part.this)
        elif isinstance(part, exp.And):
            waiting += [part.expression, part.this]
        else:
            yield part


def _integer(number: int) -> str:
    return str(number) if number < 2**63 else f"{number}e0"


def _spoken(node: exp.Expr) -> str:
    """The name of a construct, as one may know it from SQL: ``CurrentDate`` is CURRENT DATE."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()
