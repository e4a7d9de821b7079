"""CAST (ADQL 2.1, section 4.7), and times as they are written (DALI 1.1, section 3.3.3)."""

from __future__ import annotations

import re
from datetime import datetime

from sqlglot import exp

from . import sphere
from .errors import ADQLError
from .geometry import shape_cast
from .grouping import bare
from .kinds import Kinds
from .scope import Scope

_TYPES = {
    exp.DType.CHAR: "VARCHAR", exp.DType.VARCHAR: "VARCHAR", exp.DType.SMALLINT: "SMALLINT", exp.DType.INT: "INTEGER",
    exp.DType.BIGINT: "BIGINT", exp.DType.FLOAT: "REAL", exp.DType.DOUBLE: "DOUBLE", exp.DType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
# types of other SQLs, and of VOTable
_MEANT = {
    "INT": "INTEGER", "SHORT": "SMALLINT", "LONG": "BIGINT", "FLOAT": "REAL or DOUBLE PRECISION",
    "DOUBLE": "DOUBLE PRECISION", "NUMERIC": "DOUBLE PRECISION", "DECIMAL": "DOUBLE PRECISION", "CHARACTER": "CHAR",
    "TEXT": "VARCHAR", "STRING": "VARCHAR", "DATE": "TIMESTAMP", "TIME": "TIMESTAMP", "DATETIME": "TIMESTAMP",
}  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z?)?\Z", re.ASCII)


class Casts(Kinds):
    """Values of another type."""

    def cast(self, node: exp.Cast, scope: Scope) -> str:
        self.only(node, "this", "to")
        kind = node.args["to"]
        self.only(kind, "this", "expressions", "kind", "nested")
        if shape_cast(node) is not None:
            return sphere.array(self.shape(node, "CAST", scope))
        name = _TYPES.get(kind.this)
        if name is None:
            raise self._no_type(kind.args.get("kind") or kind.sql(), node)
        if name == "TIMESTAMP":
            return self.moment(node.this, scope)
        value = bare(node.this)
        given = self.kind(value, scope.of_rows())
        sql = f"CAST({self.value(value, scope)} AS {name})"
        if given == "shape":
            if name != "VARCHAR":
                raise self.error("a region becomes CHAR or VARCHAR only", value)
            sql = f"array_to_string({self.value(value, scope)}, ' ')"
        elif name == "VARCHAR" and given == "time":
            sql = f"replace({sql}, ' ', 'T')"
        if not kind.expressions:
            return sql
        if name != "VARCHAR" or len(kind.expressions) != 1:
            raise self.error("only CHAR(n) and VARCHAR(n) take a length", node)
        return f"left({sql}, {self.whole_number(kind.expressions[0].this, 'CAST')})"

    def moment(self, node: exp.Expr, scope: Scope) -> str:
        """A value as a time, in UTC."""
        value = bare(node)
        if isinstance(value, exp.Literal):
            try:
                if not value.is_string or not _MOMENT.match(value.name):
                    raise ValueError
                datetime.fromisoformat(value.name.removesuffix("Z"))
            except ValueError:
                raise self.error(
                    f"{value.sql()[:60]} is no time: they are written '2026-11-22T20:00:00' or '2026-11-22', in UTC",
                    value,
                ) from None
        elif self.kind(value, scope.of_rows()) not in ("text", "time", None):
            raise self.error("only texts such as '2026-11-22T20:00:00' become times", value)
        return f"CAST({self.value(value, scope)} AS TIMESTAMP)"

    def _no_type(self, name: str, node: exp.Cast) -> ADQLError:
        meant = _MEANT.get(name.upper())
        known = "CHAR, VARCHAR, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, TIMESTAMP, POINT, CIRCLE and POLYGON"
        advice = f": write {meant}" if meant else f": {known} are"
        return ADQLError(f"CAST to {name[:40]} is not ADQL{advice}", self.text, node.meta.get("start"))
