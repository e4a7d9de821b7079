"""The functions of the IVOA's catalogue of user defined functions."""

from __future__ import annotations

from sqlglot import exp

from .geometry import Geometry
from .scope import Scope

# days from JD 0, and from MJD 0, to 1970-01-01
_EPOCHS = {"IVO_TO_JD": 2440587.5, "IVO_TO_MJD": 40587.0}
_WORDS = r"'[\p{L}\p{N}]+'"


class UserFunctions(Geometry):
    """Those of :data:`~jupyter_uws.tap.functions.USER_FUNCTIONS`."""

    def user_function(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        if name == "IVO_HEALPIX_INDEX":
            return self.healpix_index(node, scope)
        if name in _EPOCHS:
            if len(node.expressions) != 1:
                raise self.error(f"{name.lower()} takes one time, such as '2026-11-22T20:00:00'", node)
            return f"(epoch_us({self.moment(node.expressions[0], scope)}) / 86400e6 + {_EPOCHS[name]}e0)"
        count = 4 if name == "IVO_INTERVAL_OVERLAPS" else 2
        if len(node.expressions) != count:
            raise self.error(f"{name.lower()} takes {count} arguments, not {len(node.expressions)}", node)
        arguments = [self.value(argument, scope) for argument in node.expressions]
        if name == "IVO_INTERVAL_OVERLAPS":
            for argument in node.expressions:
                self.plain(argument, "bound")
            a1, b1, a2, b2 = arguments
            condition = f"({a1} <= {b1} AND {a2} <= {b2} AND {a1} <= {b2} AND {a2} <= {b1})"
        else:
            first, second = (f"CAST({argument} AS VARCHAR)" for argument in arguments)
            if name == "IVO_NOCASEMATCH":
                condition = f"({first} ILIKE {second})"
            elif name == "IVO_HASHLIST_HAS":
                condition = f"list_contains(string_split(lower({first}), '#'), lower({second}))"
            else:
                has, wanted = (f"regexp_extract_all(lower({text}), {_WORDS})" for text in (first, second))
                condition = f"list_has_all({has}, {wanted})"
        return f"CAST({condition} AS INTEGER)"
