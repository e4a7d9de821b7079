"""ADQL 2.1 to DuckDB's SQL.

The translated text is written here from the syntax tree, node by node. A node, an argument of a node, a
function, a table or a column that is not known here ends in an :class:`ADQLError`, so nothing else can
reach the engine. Every source gets an alias of ours (t1, t2, …) and every column is named with it, so that
internal columns and tables have no way in, and ADQL's rules of names hold rather than DuckDB's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from . import grammar
from .advice import closest
from .errors import ADQLError
from .expressions import Expressions
from .grouping import aggregates, bare, form_of, makes_groups
from .narrowing import Disc, Near, Spread
from .relations import SPREAD, Item, Relation
from .resolver import place_of
from .schema import Table
from .scope import (
    Name,
    Scope,
    Source,
    Value,
    find_table,
    joined_value,
    merged,
    output_names,
    renamed,
    sql_identifier,
    table_values,
)
from .trees import Trees

# the name the archive's file is attached under
CATALOG = "archive"

# what a query may come to when subqueries and * are spelt out: planning takes more than linear time
MAX_TABLES = 100
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


class _Translator(Expressions):
    def __init__(self, text: str, tables: Mapping[str, Table]) -> None:
        super().__init__(text)
        self.tables = tables
        self.aliases = 0
        self.read = 0  # tables read so far, those of a WITH query once for each use
        self.spread: dict[str, Spread] = {}
        self.top: int | None = None
        self.most: int | None = None
        self.discs: dict[str, Disc] = {}  # by alias, where the rows in it are those that WHERE lets through
        self.disc: Disc | None = None
        self.whole: set[str] = set()  # aliases of tables that are read whole
        self.common: dict[str, tuple[str, tuple[Value, ...], int]] = {}  # WITH: name -> SQL name, columns, tables

    def rows(self, node: exp.Expr, parent: Scope | None, limit: int | None = None) -> tuple[str, tuple[Value, ...]]:
        """A query expression: SELECT, set operation, or one of them in parentheses."""
        if isinstance(node, exp.Subquery):
            self.only(node, "this")
            return self.rows(node.this, parent, limit)
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
        pieces = self._from(node, scope)
        scope.given = {item.alias.lower() for item in node.expressions if isinstance(item, exp.Alias)}
        where = node.args.get("where")
        filtered = self._filter(self._of_rows(where.this), scope, pieces) if where else ""
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
            "FROM " + self._written(pieces),
        ]
        if filtered:
            parts.append("WHERE " + filtered)
        if groups:
            parts.append("GROUP BY " + ", ".join(groups))
        if having := node.args.get("having"):
            parts.append("HAVING " + self.condition(having.this, scope))
        order = node.args.get("order")
        if order:
            parts.append(self._order(order, values, scope))
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
            values = tuple(merged(a, b) for a, b in zip(values, right, strict=True))
        names = ", ".join(map(sql_identifier, output_names(values)))
        parts = [with_sql + f"SELECT * FROM {sql} AS {self._alias()}({names})"]  # noqa: S608
        if order := node.args.get("order"):
            parts.append(self._order(order, values, None))
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
        for cte in clause.expressions:
            self.only(cte, "this", "alias")
            self.only(cte.args["alias"], "this")
            name = self.new_name(cte.args["alias"].this)
            before = self.read
            sql, values = self.rows(cte.this, parent)
            alias = self._alias()
            parts.append(f"{alias} AS ({sql})")
            self.common[name.text if name.quoted else name.text.lower()] = (alias, values, self.read - before)
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

    def _order(self, order: exp.Expr, values: tuple[Value, ...], scope: Scope | None) -> str:
        self.only(order, "expressions")
        if not order.expressions:
            raise ADQLError("ORDER BY is followed by no columns")
        terms = []
        for ordered in order.expressions:
            self.only(ordered, "this", "desc", "nulls_first")
            terms.append(
                self._order_term(ordered.this, values, scope)
                + (" DESC" if ordered.args.get("desc") else "")
                + " NULLS LAST"
            )
        return "ORDER BY " + ", ".join(terms)

    def _order_term(self, node: exp.Expr, values: tuple[Value, ...], scope: Scope | None) -> str:
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
        if scope is None:
            raise self.error("after a set operation, ORDER BY takes names or numbers of its columns", node)
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

    # FROM

    def _from(self, node: exp.Expr, scope: Scope) -> tuple[str | Item, ...]:
        """Fill ``scope`` with what the FROM clause offers; gives its pieces."""
        start = node.args["from_"]
        self.only(start, "this")
        return self._joined(start.this, node.args.get("joins") or [], scope)

    def _of_rows(self, node: exp.Expr) -> exp.Expr:
        """A condition on rows, which aggregates are none of."""
        for part in aggregates(node):
            raise self.error(
                "WHERE and ON ask for rows before they are counted: conditions on COUNT, SUM, … follow HAVING", part
            )
        return node

    def _filter(self, node: exp.Expr, scope: Scope, pieces: Iterable[str | Item]) -> str:
        """A condition on what ``pieces`` give, of whose rows only those stay for which it holds."""
        here = {piece.alias for piece in pieces if isinstance(piece, Item)}
        taken = {value.sql.lower() for source in scope.sources for value in source.values}
        conditions = []
        near = None
        for found in self.filtered(node, scope):
            if isinstance(found, str):
                conditions.append(found)
            elif isinstance(found, Near):
                near = found
                conditions.append(found.sql)
                self.whole -= here & {found.alias}
            elif found.alias in here - self.spread.keys() and f'{found.alias}."{SPREAD}"' not in taken:
                self.spread[found.alias] = found
                conditions.append(f"{found.alias}.{SPREAD} = {found.cell}")
        if near is not None and near.disc is not None and len(conditions) == 2:  # that of the disc, and of its cells
            self.discs[near.alias] = near.disc
        return " AND ".join(conditions)

    def _written(self, pieces: Iterable[str | Item]) -> str:
        return "".join(
            piece if isinstance(piece, str) else piece.written(self.spread.get(piece.alias)) for piece in pieces
        )

    def _joined(self, first: exp.Expr, joins: list[exp.Expr], scope: Scope) -> tuple[str | Item, ...]:
        done: list[Relation] = []
        current = self._relation(first, scope)
        for join in joins:
            self.only(join, "this", "method", "side", "kind", "on", "using")
            right = self._relation(join.this, scope)
            if join.meta.get("comma"):
                done.append(current)
                current = right
            else:
                current = self._join(current, right, join, scope)
        done.append(current)
        for relation in done:
            self._add_sources(relation.sources, scope, first)
            scope.visible.extend(relation.values)
        separated = [piece for relation in done for piece in (", ", *relation.pieces)]
        return tuple(separated[1:])

    def _join(self, left: Relation, right: Relation, join: exp.Expr, scope: Scope) -> Relation:
        side = str(join.args.get("side") or "").upper()
        kind = str(join.args.get("kind") or "").upper()
        natural = str(join.args.get("method") or "").upper() == "NATURAL"
        on, using = join.args.get("on"), join.args.get("using")
        sources = left.sources + right.sources
        if kind == "CROSS":
            if on or using or natural or side:
                raise self.error("CROSS JOIN takes no condition", join)
            return Relation((*left.pieces, " CROSS JOIN ", *right.pieces), left.values + right.values, sources)
        if kind not in ("", "INNER", "OUTER") or (kind == "OUTER" and not side):
            raise self.error(f"{side} {kind} JOIN is not ADQL".strip(), join)
        if natural and (on or using):
            raise self.error("NATURAL JOIN takes no condition", join)
        pieces = (*left.pieces, f" {side} JOIN " if side else " JOIN ", *right.pieces)
        if on:
            inner = Scope(scope.parent, list(sources), list(left.values + right.values))
            on = self._of_rows(on)
            condition = self.condition(on, inner) if side else self._filter(on, inner, pieces)
            return Relation((*pieces, f" ON {condition}"), left.values + right.values, sources)
        if natural:
            names = {b.name.lower() for b in right.values}
            common = [Name(a.name) for a in left.values if a.name.lower() in names]
            pairs = [(self._one(left, name), self._one(right, name)) for name in common]
        elif using:
            pairs = [(self._one(left, self.name(i)), self._one(right, self.name(i))) for i in using]
        else:
            raise self.error("JOIN needs a condition: ON …, USING (…), or NATURAL JOIN", join)
        shared = tuple(joined_value(a, b, side) for a, b in pairs)
        used = {id(value) for pair in pairs for value in pair}
        rest = tuple(value for value in left.values + right.values if id(value) not in used)
        condition = " AND ".join(f"{a.sql} = {b.sql}" for a, b in pairs) or "TRUE"
        return Relation((*pieces, f" ON {condition}"), shared + rest, sources)

    def _one(self, relation: Relation, name: Name) -> Value:
        found = [value for value in relation.values if name.matches(value.name)]
        if len(found) != 1:
            what = "is ambiguous" if found else "is no column of both tables"
            names = closest(name.text, (value.name for value in relation.values)) if not found else ""
            raise ADQLError(f"USING ({name}): {name} {what}{names}", self.text, name.offset)
        return found[0]

    def _relation(self, node: exp.Expr, scope: Scope) -> Relation:
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            # joins in parentheses
            self.only(node, "this")
            inner = Scope(scope.parent)
            table = node.this
            pieces = self._joined(_without_joins(table), table.args.get("joins") or [], inner)
            return Relation(("(", *pieces, ")"), tuple(inner.visible), tuple(inner.sources))
        if isinstance(node, exp.Subquery):
            self.only(node, "this", "alias")
            alias = node.args.get("alias")
            if alias is None or not alias.this:
                raise self.error("a subquery in FROM needs a name: (SELECT …) AS t", node)
            self.only(alias, "this")
            sql, values = self.rows(node.this, scope.parent)
            return self._named(f"({sql})", values, self.new_name(alias.this))
        raise self.error("only tables and subqueries may stand in FROM", node)

    def _named(self, sql: str, values: tuple[Value, ...], name: Name) -> Relation:
        alias = self._alias()
        seen = renamed(values, alias)
        return Relation((Item(sql, alias),), seen, (Source((name.text,), name.quoted, seen),))

    def _table(self, node: exp.Table) -> Relation:
        if node.args.get("joins"):
            raise self.error("a JOIN within another JOIN stands in parentheses", node)
        self.only(node, "this", "db", "catalog", "alias")
        if not isinstance(node.this, exp.Identifier):
            raise self.error("only tables may stand in FROM, no functions", node)
        name = self.name(node.this)
        schema = self.name(node.args["db"]) if node.args.get("db") else None
        alias = node.args.get("alias")
        if alias is not None:
            self.only(alias, "this")
        if schema is None and not node.args.get("catalog"):
            key = name.text if name.quoted else name.text.lower()
            if key in self.common:
                sql, values, read = self.common[key]
                self._count(read, node)
                return self._named(sql, values, self.new_name(alias.this) if alias else name)
        table = None if node.args.get("catalog") else find_table(self.tables, schema, name)
        if table is None:
            written = ".".join(part.name for part in node.parts)
            if schema is not None and schema.text.upper() == "TAP_UPLOAD":
                raise self.error(f"there is no table {written!r}: the query comes without UPLOAD={name.text},…", node)
            raise self.error(f"there is no table {written!r}{closest(written, self.tables)}", node)
        self._count(1, node)
        sql_name = self._alias()
        if not table.name.startswith("tap_schema."):
            self.whole.add(sql_name)
        values = table_values(table, sql_name)
        names = (self.new_name(alias.this).text,) if alias else (table.name.split(".")[1], table.name)
        source = Source(names, bool(alias and self.name(alias.this).quoted), values)
        full = table.sql or ".".join(map(sql_identifier, (CATALOG, *table.name.split("."))))
        return Relation((Item(full, sql_name),), values, (source,))

    def _add_sources(self, sources: tuple[Source, ...], scope: Scope, node: exp.Expr) -> None:
        for source in sources:
            if any(source.names[-1].lower() == other.names[-1].lower() for other in scope.sources):
                raise self.error(f"{source.names[0]!r} is the name of two tables in FROM: give one another", node)
            scope.sources.append(source)

    def _count(self, tables: int, node: exp.Expr) -> None:
        self.read += tables
        if self.read > MAX_TABLES:
            raise self.error(f"the query reads more than {MAX_TABLES} tables", node)

    def _alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"


def _select_items(values: tuple[Value, ...]) -> str:
    return ", ".join(
        f"{value.sql} AS {sql_identifier(name)}" for value, name in zip(values, output_names(values), strict=True)
    )


def _without_joins(table: exp.Expr) -> exp.Expr:
    table = table.copy()
    table.set("joins", None)
    return table
