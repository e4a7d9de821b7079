"""ADQL 2.1 to DuckDB's SQL.

The translated text is written here from the syntax tree, node by node. A node, an argument of a node, a
function, a table or a column that is not known here ends in an :class:`ADQLError`, so nothing else can
reach the engine. Every source gets an alias of ours (t1, t2, …) and every column is named with it, so that
internal columns and tables have no way in, and ADQL's rules of names hold rather than DuckDB's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from . import grammar
from .errors import ADQLError
from .grouping import aggregates, bare, form_of, makes_groups
from .joins import CATALOG as CATALOG
from .joins import Joins
from .kinds import SPOKEN, kind_of
from .narrowing import Disc
from .resolver import place_of
from .schema import Table
from .scope import Scope, Value, merged, output_names, renamed, sql_identifier
from .trees import Trees

# what a query may come to when * is spelt out: planning takes more than linear time
MAX_COLUMNS = 2000

# the engine gathers the rows of a LIMIT before it gives the first: of more than these, who reads them keeps count
MOST_GATHERED = 10_000

# what a query may have besides columns, tables, WHERE and TOP
_MORE = ("with_", "distinct", "group", "having", "order", "offset")


@dataclass(frozen=True)
class Query:
    """A translated query. ``values`` describe its columns.

    It ``is_short`` where it reads a table or two, and of these only rows near a position, or TAP_SCHEMA. ``most`` is
    the number of rows that its LIMIT lets through; where it has none, ``top`` may be the number to stop at.
    Where it asks for columns of one table as they are, of rows that lie in a disc, and for nothing else, that ``disc``.
    """

    sql: str
    values: tuple[Value, ...]
    is_short: bool
    top: int | None = None
    most: int | None = None
    disc: Disc | None = None


def translate(text: str, tables: Mapping[str, Table], *, limit: int | None = None, trees: Trees | None = None) -> Query:
    """Translate one query on ``tables`` (by their names ``schema.table``), of which ``limit`` rows will be read.

    With ``trees``, queries that differ in numbers only are parsed once.
    Raises :class:`ADQLError` with the position and the reason.
    """
    kept = None if trees is None else trees.take(text)
    if trees is not None and kept is not None:
        try:
            return _translated(text, kept.root, tables, limit)
        except ADQLError:
            pass  # the places in a kept tree are those of another query: it is told below
        finally:
            trees.give_back(kept)
    return _translated(text, grammar.parse(text), tables, limit)


def _translated(text: str, tree: exp.Expr, tables: Mapping[str, Table], limit: int | None) -> Query:
    try:
        translator = _Translator(text, tables)
        sql, values = translator.rows(tree, None, limit)
        is_short = translator.read <= 2 and not translator.whole
        return Query(sql, values, is_short, translator.top, translator.most, translator.disc)
    except RecursionError:
        raise ADQLError("the query is nested too deeply") from None


class _Translator(Joins):
    def __init__(self, text: str, tables: Mapping[str, Table]) -> None:
        super().__init__(text, tables)
        self.top: int | None = None
        self.most: int | None = None
        self.disc: Disc | None = None

    def rows(self, node: exp.Expr, parent: Scope | None, limit: int | None = None) -> tuple[str, tuple[Value, ...]]:
        """A query expression: SELECT, set operation, or one of them in parentheses."""
        if isinstance(node, exp.Subquery):
            self.only(node, "this", "with_", "order", "offset")
            if not any(node.args.get(key) for key in ("with_", "order", "offset")):
                return self.rows(node.this, parent, limit)
            with_sql = self._with(node, parent)
            return self._ordered(node, with_sql, *self.rows(node.this, parent), limit)
        if isinstance(node, exp.Select):
            return self._select(node, parent, limit)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, parent, limit)
        raise self.error("a query begins with SELECT", node)

    def _select(self, node: exp.Select, parent: Scope | None, limit: int | None) -> tuple[str, tuple[Value, ...]]:
        self.only(
            node, "with_", "distinct", "expressions", "limit", "from_", "joins", "where", "group", "having", "order",
            "offset", "operation_modifiers",
        )  # fmt: skip
        with_sql = self._with(node, parent)
        if not node.args.get("from_"):
            raise self.error("ADQL needs a FROM clause: SELECT … FROM table", node)
        scope = Scope(parent)
        pieces = self.from_(node, scope)
        scope.given = {item.alias.lower() for item in node.expressions if isinstance(item, exp.Alias)}
        where = node.args.get("where")
        filtered = self.filter(self.of_rows(where.this), scope, pieces) if where else ""
        groups = self._groups(node, scope)
        if makes_groups(node):
            scope.grouped = groups
        values = self._select_list(node, scope)
        if not values:
            raise self.error("SELECT is followed by no columns", node)
        distinct = node.args.get("distinct")
        if distinct is not None:
            self.only(distinct)
        parts = [
            with_sql + "SELECT " + ("DISTINCT " if distinct is not None else "") + _select_items(values),
            "FROM " + self.written(pieces),
        ]
        if filtered:
            parts.append("WHERE " + filtered)
        if groups:
            parts.append("GROUP BY " + ", ".join(groups))
        if having := node.args.get("having"):
            parts.append("HAVING " + self.condition(having.this, scope))
        order = node.args.get("order")
        if order:
            parts.append(self._order(order, values, scope, is_distinct=distinct is not None))
        top = self._top(node)
        offset = self._offset(node)
        rows = min((n for n in (top, limit) if n is not None), default=None)
        if limit is not None and rows is not None and rows > MOST_GATHERED and not order and not offset:
            self.top = top
        elif rows is not None:
            parts.append(self._limit(rows, limit))
        parts.extend(offset)
        if limit is not None and len(pieces) == 1 and not any(node.args.get(name) for name in _MORE):
            alias = values[0].alias
            if alias is not None and all(value.alias == alias for value in values):
                self.disc = self.discs.get(alias)
        return " ".join(parts), values

    def _set_operation(
        self, node: exp.SetOperation, parent: Scope | None, limit: int | None
    ) -> tuple[str, tuple[Value, ...]]:
        # a chain of operations leans to the left: walked in a loop, it may be long
        chain: list[exp.SetOperation] = []
        first: exp.Expr = node
        while isinstance(first, exp.SetOperation):
            self.only(first, "with_", "this", "expression", "distinct", "order", "offset")
            if first is not node and (first.args.get("order") or first.args.get("offset")):
                break
            chain.append(first)
            first = first.this
        with_sql = self._with(node, parent)
        sql, values = self.rows(first, parent)
        sql = f"({sql})"
        for operation in reversed(chain):
            right_sql, right = self.rows(operation.expression, parent)
            kind = operation.key.upper()
            if len(right) != len(values):
                raise self.error(
                    f"{kind}: both queries must have as many columns, not {len(values)} and {len(right)}",
                    operation.expression,
                )
            every = "" if operation.args.get("distinct") else " ALL"
            sql = f"({sql} {kind}{every} ({right_sql}))"
            self._check_columns(kind, values, right, operation.expression)
            values = tuple(merged(a, b) for a, b in zip(values, right, strict=True))
        return self._ordered(node, with_sql, sql, values, limit)

    def _check_columns(self, kind: str, left: tuple[Value, ...], right: tuple[Value, ...], node: exp.Expr) -> None:
        for number, pair in enumerate(zip(left, right, strict=True), 1):
            kinds = set(map(kind_of, pair))
            if len(kinds - {None}) > 1:
                one, other = (SPOKEN[kind] for kind in sorted(map(str, kinds - {None})))
                raise self.error(
                    f"{kind}: column {number} of one query is {one}, and {other} in the other: CAST(value AS type)"
                    " makes them one type",
                    node,
                )

    def _ordered(
        self, node: exp.Expr, with_sql: str, sql: str, values: tuple[Value, ...], limit: int | None
    ) -> tuple[str, tuple[Value, ...]]:
        """A query within another that puts its rows in order, and leaves the first ones out, as ``node`` asks."""
        alias = self.alias()
        names = ", ".join(map(sql_identifier, output_names(values)))
        parts = [with_sql + f"SELECT * FROM ({sql}) AS {alias}({names})"]  # noqa: S608
        if order := node.args.get("order"):
            for part in aggregates(order):
                raise self.error(f"{part.name} belongs into one of the queries: ORDER BY takes what they give", part)
            parts.append(self._order(order, values, Scope(visible=list(renamed(values, alias)))))
        if limit is not None:
            parts.append(self._limit(limit, limit))
        parts.extend(self._offset(node))
        return " ".join(parts), values

    # clauses

    def _with(self, node: exp.Expr, parent: Scope | None) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        self.only(clause, "expressions")
        parts = []
        self.unready = [cte.alias for cte in clause.expressions]
        for cte in clause.expressions:
            self.only(cte, "this", "alias")
            name = self.new_name(cte.args["alias"].this)
            if cte.args["alias"].args.get("columns"):
                raise self.error(f"WITH {name} (…) AS: the columns get their names within, SELECT … AS name", cte)
            if any(name.matches(other) for other in self.common):
                raise self.error(f"there are two queries {name} in WITH", cte)
            before = self.read
            sql, values = self.rows(cte.this, parent)
            alias = self.alias()
            parts.append(f"{alias} AS ({sql})")
            self.common[name.text] = (alias, values, self.read - before)
            self.unready = self.unready[1:]
        return "WITH " + ", ".join(parts) + " "

    def _select_list(self, node: exp.Select, scope: Scope) -> tuple[Value, ...]:
        values: list[Value] = []
        for item in node.expressions:
            if isinstance(item, exp.Star):
                self.only_star(item)
                values.extend(self.one(value, scope, place_of(item)) for value in scope.visible)
            elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                self.only_star(item.this)
                source = self.source(item, scope)
                values.extend(self.one(value, scope, place_of(item)) for value in source.values)
            else:
                values.append(self._select_item(item, scope))
            if len(values) > MAX_COLUMNS:
                raise self.error(f"the query has more than {MAX_COLUMNS} columns", item)
        return tuple(values)

    def _select_item(self, item: exp.Expr, scope: Scope) -> Value:
        alias = None
        if isinstance(item, exp.Alias):
            self.only(item, "this", "alias")
            alias, item = self.new_name(item.args["alias"]).text, item.this
        value = self.described(item, scope)
        return replace(value, name=alias) if alias else value

    def _groups(self, node: exp.Select, scope: Scope) -> dict[str, str]:
        """The terms of GROUP BY: the SQL of each, and its form."""
        group = node.args.get("group")
        if group is None:
            return {}
        self.only(group, "expressions")
        if not group.expressions:
            raise self.error("GROUP BY is followed by no columns", node)
        terms = {}
        for term in map(bare, group.expressions):
            if isinstance(term, exp.Literal):
                raise self.error("GROUP BY takes columns, not their numbers", term)
            for part in aggregates(term):
                raise self.error(f"GROUP BY makes the groups that {part.name} counts: it takes columns", part)
            terms[self.value(term, scope)] = form_of(term)
        return terms

    def _order(self, order: exp.Expr, values: tuple[Value, ...], scope: Scope, *, is_distinct: bool = False) -> str:
        self.only(order, "expressions")
        if not order.expressions:
            raise ADQLError("ORDER BY is followed by no columns")
        terms = []
        for ordered in order.expressions:
            self.only(ordered, "this", "desc", "nulls_first")
            term = self._order_term(ordered.this, values, scope)
            if is_distinct and not term.isdecimal() and term not in {value.sql for value in values}:
                raise self.error("SELECT DISTINCT is put in order by columns of its own: name this one there", ordered)
            terms.append(term + (" DESC" if ordered.args.get("desc") else "") + " NULLS LAST")
        return "ORDER BY " + ", ".join(terms)

    def _order_term(self, node: exp.Expr, values: tuple[Value, ...], scope: Scope) -> str:
        if not isinstance(node, exp.Literal) and not node.find(exp.Column, exp.Anonymous):
            raise self.error("ORDER BY takes columns, their numbers, or what is calculated from them", node)
        if isinstance(node, exp.Literal):
            number = self.whole_number(node, "ORDER BY")
            if not 1 <= number <= len(values):
                raise self.error(f"ORDER BY {number}: the query has {len(values)} columns", node)
            return str(number)
        if isinstance(node, exp.Column) and not node.args.get("table"):
            name = self.name(node.this)
            found = [i for i, value in enumerate(values, 1) if name.matches(value.name)]
            if len(found) == 1 or (found and len({values[i - 1].sql for i in found}) == 1):
                return str(found[0])
            if found:
                raise self.error(f"{name} is the name of {len(found)} columns of the query", node)
        return self.value(node, scope)

    def _top(self, node: exp.Select) -> int | None:
        limit = node.args.get("limit")
        if limit is None:
            return None
        self.only(limit, "expression")
        if not limit.expression:
            raise self.error("TOP is followed by a number", node)
        return self.whole_number(limit.expression, "TOP")

    def _limit(self, rows: int, limit: int | None) -> str:
        if limit is not None:  # that of the whole query
            self.most = rows
        return f"LIMIT {rows}"

    def _offset(self, node: exp.Expr) -> list[str]:
        offset = node.args.get("offset")
        if offset is None:
            return []
        self.only(offset, "expression")
        return [f"OFFSET {self.whole_number(offset.expression, 'OFFSET')}"]


def _select_items(values: tuple[Value, ...]) -> str:
    return ", ".join(
        f"{value.sql} AS {sql_identifier(name)}" for value, name in zip(values, output_names(values), strict=True)
    )
