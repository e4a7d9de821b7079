"""What every part of the translator needs: refusals with their place, and the meaning of names."""

from __future__ import annotations

from sqlglot import exp

from .advice import as_text, closest, of_word
from .errors import ADQLError
from .functions import KNOWN
from .scope import Leaf, Name, Scope, Source, Value
from .words import RESERVED, delimited, quoted


class Resolver:
    """The query's text, and the columns of the archive that were met (``leaves``)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.leaves: set[Leaf] = set()

    def rows(self, node: exp.Expr, parent: Scope | None, limit: int | None = None) -> tuple[str, tuple[Value, ...]]:
        raise NotImplementedError

    # checks

    def error(self, message: str, node: exp.Expr) -> ADQLError:
        return ADQLError(message, self.text, place_of(node))

    def only(self, node: exp.Expr, *known: str) -> None:
        """Refuse what the parser found on ``node`` beyond ``known``."""
        for key, value in node.args.items():
            if value and key not in known:
                raise self.error(f"{key.strip('_').replace('_', ' ').upper()} is not ADQL here", node)

    def only_star(self, star: exp.Expr) -> None:
        for key, value in star.args.items():
            if value:
                word = {"except_": "EXCLUDE"}.get(key, key.upper())
                raise self.error(f"ADQL has no * {word}: name the columns that are wanted", star)

    def name(self, node: exp.Expr) -> Name:
        if not isinstance(node, exp.Identifier):
            raise self.error("a name is expected", node)
        return Name(node.name, bool(node.args.get("quoted")), node.meta.get("start"))

    def new_name(self, node: exp.Expr) -> Name:
        """A name that the query gives."""
        return self.not_reserved(self.name(node))

    def not_reserved(self, name: Name) -> Name:
        if not name.quoted and name.text.lower() in RESERVED:
            raise ADQLError(
                f'{name} is a reserved word of ADQL: as a name it is written in double quotes, "{name}"',
                self.text,
                name.offset,
            )
        return name

    def whole_number(self, node: exp.Expr, clause: str) -> int:
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal() and len(node.name) < 19:
            return int(node.name)
        raise self.error(f"{clause} takes a whole number", node)

    # names

    def source(self, node: exp.Column, scope: Scope) -> Source:
        table = self.name(node.args["table"])
        schema = self.name(node.args["db"]) if node.args.get("db") else None
        found = [] if node.args.get("catalog") else scope.find_source(table, schema)
        if len(found) == 1:
            return found[0]
        written = f"{schema}.{table}" if schema else str(table)
        if found:
            raise self.error(f"{written} is the name of {len(found)} tables in FROM", node)
        raise self.error(f"{written} is no table of FROM{closest(written, scope.source_names())}", node)

    def column(self, node: exp.Column, scope: Scope) -> Value:
        self.only(node, "this", "table", "db", "catalog")
        if isinstance(node.this, exp.Star):
            raise self.error("* is not expected here", node)
        name = self.name(node.this)
        if node.args.get("table"):
            source = self.source(node, scope)
            found = [value for value in source.values if name.matches(value.name)]
            where, known = f" in {source.names[-1]}", [value.name for value in source.values]
        else:
            found = scope.find(name)
            where, known = "", scope.column_names()
        if not found:
            advice = self._others_with(name, scope) if where else ""
            if not where and name.text.lower() in scope.given:
                advice = f": {name} is a name in SELECT, write what stands before AS"
            advice = (
                advice or of_word("" if name.quoted else name.text, KNOWN) or closest(name.text, map(quoted, known))
            )
            if not where and not advice and (name.quoted or _is_compared_with(node)):
                advice = as_text(name.text)
            raise ADQLError(f"there is no column {name}{where}{advice}", self.text, name.offset)
        if len(found) > 1:
            raise self._ambiguous(name, found, scope)
        self.not_reserved(name)
        self.leaves |= found[0].leaves
        return self.one(found[0], scope, name.offset)

    def one(self, value: Value, scope: Scope, offset: int | None) -> Value:
        """A column that is asked for at ``offset``, where each row, or each group, has one value of it."""
        if (found := scope.one(value)) is not None:
            return found
        raise ADQLError(
            f"{value.name} is neither in GROUP BY nor within COUNT, MIN, MAX, SUM or AVG: a group may have several"
            f" of it; write MIN({quoted(value.name)}), or put it into GROUP BY",
            self.text,
            offset,
        )

    def _ambiguous(self, name: Name, found: list[Value], scope: Scope) -> ADQLError:
        names = list(dict.fromkeys(delimited(value.name) for value in found))
        having = sum(any(value in source.values for value in found) for source in scope.sources)
        if len(names) > 1:
            advice = f"write {' or '.join(names)}"
        elif having > 1:
            advice = f"{having} tables have it: write table.{name}"
        else:
            advice = "two columns have it: give them names of their own, SELECT … AS name"
        return ADQLError(f"{name} is ambiguous, {advice}", self.text, name.offset)

    def _others_with(self, name: Name, scope: Scope) -> str:
        having = [s.names[0] for s in scope.sources if any(name.matches(value.name) for value in s.values)]
        return f"; {' and '.join(having)} has it" if having else ""

    def value(self, node: exp.Expr, scope: Scope) -> str:
        raise NotImplementedError

    def moment(self, node: exp.Expr, scope: Scope) -> str:
        raise NotImplementedError


def _is_compared_with(node: exp.Expr) -> bool:
    """Whether a value stands behind a sign of comparison or in a list, where most have a text."""
    return isinstance(node.parent, (exp.Predicate, exp.In)) and node is not node.parent.this


def place_of(node: exp.Expr) -> int | None:
    """Where a node begins in the query, or what it is part of; None where that is not known."""
    starts: list[int] = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    if starts:
        return min(starts)
    return place_of(node.parent) if node.parent is not None else None
