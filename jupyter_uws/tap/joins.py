"""What stands in FROM: tables, subqueries and joins of them (ADQL 2.1, sections 2.2.1 and 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from .advice import closest
from .errors import ADQLError
from .expressions import Expressions
from .grouping import aggregates
from .narrowing import Disc, Near, Spread
from .relations import SPREAD, Item, Relation
from .schema import Table
from .scope import Name, Scope, Source, Value, find_table, joined_value, renamed, sql_identifier, table_values
from .words import delimited

# the name the archive's file is attached under
CATALOG = "archive"

# what a query may come to when subqueries are spelt out: planning takes more than linear time
MAX_TABLES = 100


class Joins(Expressions):
    """The FROM clause; :class:`~jupyter_uws.tap.adql._Translator` adds the others."""

    def __init__(self, text: str, tables: Mapping[str, Table]) -> None:
        super().__init__(text)
        self.tables = tables
        self.aliases = 0
        self.read = 0  # tables read so far, those of a WITH query once for each use
        self.spread: dict[str, Spread] = {}
        self.discs: dict[str, Disc] = {}  # by alias, where the rows in it are those that the condition lets through
        self.whole: set[str] = set()  # aliases of tables that are read whole
        self.common: dict[str, tuple[str, tuple[Value, ...], int]] = {}  # WITH: name -> SQL name, columns, tables
        self.unready: list[str] = []  # names of WITH whose queries are still to come

    def from_(self, node: exp.Expr, scope: Scope) -> tuple[str | Item, ...]:
        """Fill ``scope`` with what the FROM clause offers; gives its pieces."""
        start = node.args["from_"]
        self.only(start, "this")
        return self._joined(start.this, node.args.get("joins") or [], scope)

    def of_rows(self, node: exp.Expr) -> exp.Expr:
        """A condition on rows, which aggregates are none of."""
        for part in aggregates(node):
            raise self.error(
                "WHERE and ON ask for rows before they are counted: conditions on COUNT, SUM, … follow HAVING", part
            )
        return node

    def filter(self, node: exp.Expr, scope: Scope, pieces: Iterable[str | Item]) -> str:
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

    def written(self, pieces: Iterable[str | Item]) -> str:
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
            on = self.of_rows(on)
            condition = self.condition(on, inner) if side else self.filter(on, inner, pieces)
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
        if node.args.get("joins"):  # a JOIN b JOIN c ON … ON …
            return self._within(node, scope)
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery) and _is_joined(node.this):
            self.only(node, "this")
            return self._within(node.this, scope)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            raise self.error("parentheses in FROM stand around a JOIN or a SELECT, not around a table", node)
        if isinstance(node, exp.Subquery):
            self.only(node, "this", "alias")
            alias = node.args.get("alias")
            if alias is None or not alias.this:
                raise self.error("a subquery in FROM needs a name: (SELECT …) AS t", node)
            self.only(alias, "this")
            sql, values = self.rows(node.this, scope.parent)
            return self._named(f"({sql})", values, self.new_name(alias.this))
        raise self.error("only tables and subqueries may stand in FROM", node)

    def _within(self, node: exp.Expr, scope: Scope) -> Relation:
        """Joins within a join, or in parentheses: they know their own tables only."""
        inner = Scope(scope.parent)
        pieces = self._joined(_without_joins(node), node.args.get("joins") or [], inner)
        return Relation(("(", *pieces, ")"), tuple(inner.visible), tuple(inner.sources))

    def _named(self, sql: str, values: tuple[Value, ...], name: Name) -> Relation:
        alias = self.alias()
        seen = renamed(values, alias)
        return Relation((Item(sql, alias),), seen, (Source((name.text,), name.quoted, seen),))

    def _table(self, node: exp.Table) -> Relation:
        self.only(node, "this", "db", "catalog", "alias")
        if not isinstance(node.this, exp.Identifier):
            raise self.error("only tables may stand in FROM, no functions", node)
        name = self.name(node.this)
        schema = self.name(node.args["db"]) if node.args.get("db") else None
        alias = node.args.get("alias")
        if alias is not None:
            self.only(alias, "this")
        if schema is None and not node.args.get("catalog"):
            found = [own for own in self.common if name.matches(own)]
            if len(found) > 1:
                raise self.error(f"WITH has {' and '.join(map(delimited, found))}: write one in quotes", node)
            if found:
                sql, values, read = self.common[found[0]]
                self._count(read, node)
                return self._named(sql, values, self.new_name(alias.this) if alias else name)
        table = None if node.args.get("catalog") else find_table(self.tables, schema, name)
        if table is None:
            written = ".".join(part.name for part in node.parts)
            if schema is not None and schema.text.upper() == "TAP_UPLOAD":
                raise self.error(f"there is no table {written!r}: the query comes without UPLOAD={name.text},…", node)
            if schema is None and any(name.matches(later) for later in self.unready):
                raise self.error(f"{name} is not there yet: a query of WITH knows those before it, not itself", node)
            raise self.error(f"there is no table {written!r}{closest(written, self.tables)}", node)
        self._count(1, node)
        sql_name = self.alias()
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

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"


def _is_joined(node: exp.Expr) -> bool:
    """Whether what stands in parentheses is a JOIN."""
    if node.args.get("joins"):
        return True
    return isinstance(node, exp.Subquery) and not node.args.get("alias") and _is_joined(node.this)


def _without_joins(table: exp.Expr) -> exp.Expr:
    table = table.copy()
    table.set("joins", None)
    return table
