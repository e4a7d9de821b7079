"""The grammar of ADQL 2.1 (appendix A), as a recognizer that shares nothing with the translator.

Each rule gives the places where what it describes may end; that of an ambiguous text are several. Left recursion is
written as repetition. What the service takes beyond the standard is marked ``# ours``, and told on the page on
conformance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from jupyter_uws.tap.words import RESERVED

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|(?P<string>'(?:[^']|'')*')|(?P<delimited>"(?:[^"]|"")+")
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<sign><>|!=|<=|>=|\|\||[-+*/=<>(),.;])|(?P<other>.)""",
    re.VERBOSE,
)
_FUNCTIONS = {
    "ABS", "CEILING", "DEGREES", "EXP", "FLOOR", "LOG", "LOG10", "MOD", "PI", "POWER", "RADIANS", "RAND", "ROUND",
    "SQRT", "TRUNCATE", "ACOS", "ASIN", "ATAN", "ATAN2", "COS", "COT", "SIN", "TAN", "AREA", "COORD1", "COORD2",
    "DISTANCE", "CONTAINS", "INTERSECTS", "COORDSYS", "BOX", "CENTROID", "CIRCLE", "POINT", "POLYGON", "REGION",
    "LOWER", "UPPER", "COALESCE", "IN_UNIT",
}  # fmt: skip
_OURS = {"SIGN", "BIT_AND", "BIT_OR", "BIT_XOR", "BIT_NOT", "TIMESTAMP"}
_TYPES = ("SMALLINT", "INTEGER", "BIGINT", "REAL", "TIMESTAMP", "POINT", "CIRCLE", "POLYGON")

Ends = frozenset[int]
Rule = Callable[[int], Ends]


def is_adql(text: str) -> bool:
    """Whether a text is a query of the grammar, or what the service takes beside it."""
    found = [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(text) if m.lastgroup]
    while found and found[-1][1] == ";":  # ours
        found.pop()
    return bool(found) and len(found) in _Recognizer(found).query(0)


class _Recognizer:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        for name in ("expression", "condition", "select_expression", "table_reference", "table_primary", "primary"):
            setattr(self, name, cache(getattr(self, name)))  # each rule at each place once

    # signs and words

    def word(self, *words: str) -> Rule:
        def rule(at: int) -> Ends:
            taken = [text.upper() for _, text in self.tokens[at : at + len(words)]]
            kinds = {kind for kind, _ in self.tokens[at : at + len(words)]}
            return frozenset([at + len(words)]) if taken == list(words) and "delimited" not in kinds else frozenset()

        return rule

    def kind(self, kind: str, pattern: str = r".+") -> Rule:
        def rule(at: int) -> Ends:
            is_it = at < len(self.tokens) and self.tokens[at][0] == kind
            return frozenset([at + 1]) if is_it and re.fullmatch(pattern, self.tokens[at][1], re.S) else frozenset()

        return rule

    def identifier(self, at: int) -> Ends:
        is_word = bool(self.kind("word")(at)) and self.tokens[at][1].lower() not in RESERVED
        return frozenset([at + 1]) if is_word or self.kind("delimited")(at) else frozenset()

    def call_of(self, at: int) -> Ends:
        name = self.tokens[at][1].upper() if self.kind("word")(at) else ""
        is_known = name in _FUNCTIONS or name in _OURS or name.startswith("IVO_")
        return frozenset([at + 1]) if is_known else frozenset()

    # queries

    def query(self, at: int) -> Ends:
        item = seq(self.identifier, self.word("AS"), self.within(self.select_expression))
        return seq(opt(self.word("WITH"), item, many(self.word(","), item)), self.select_expression)(at)

    def select_expression(self, at: int) -> Ends:
        sets = one(self.word("UNION"), self.word("EXCEPT"))
        term = seq(self.set_primary, many(self.word("INTERSECT"), opt(self.word("ALL")), self.set_primary))
        ordered = seq(self.expression, opt(one(self.word("ASC"), self.word("DESC"))))
        return seq(
            term, many(sets, opt(self.word("ALL")), term),
            opt(self.word("ORDER", "BY"), self.listed(ordered)),
            opt(self.word("OFFSET"), self.kind("number", r"\d+")),
        )(at)  # fmt: skip

    def set_primary(self, at: int) -> Ends:
        return one(self.select, self.within(self.select_expression))(at)

    def select(self, at: int) -> Ends:
        star = self.word("*")
        item = one(
            seq(self.expression, opt(opt(self.word("AS")), self.identifier)),
            seq(self.names, self.word("."), star),
            star,  # ours where it is not alone
        )
        return seq(
            self.word("SELECT"), opt(one(self.word("DISTINCT"), self.word("ALL"))),
            opt(self.word("TOP"), self.kind("number", r"\d+")), self.listed(item),
            self.word("FROM"), self.listed(self.table_reference),
            opt(self.word("WHERE"), self.condition),
            opt(self.word("GROUP", "BY"), self.listed(self.expression)),
            opt(self.word("HAVING"), self.condition),
        )(at)  # fmt: skip

    def table_reference(self, at: int) -> Ends:
        return seq(self.table_primary, many(self.join))(at)

    def table_primary(self, at: int) -> Ends:
        named = seq(opt(self.word("AS")), self.identifier)
        return one(
            seq(self.names, opt(named)),
            seq(self.within(self.select_expression), named),
            self.within(self.joined),
        )(at)

    def joined(self, at: int) -> Ends:
        return one(seq(self.table_primary, self.join, many(self.join)), self.within(self.joined))(at)

    def join(self, at: int) -> Ends:
        outer = one(self.word("LEFT"), self.word("RIGHT"), self.word("FULL"))
        kind = opt(one(self.word("INNER"), seq(outer, opt(self.word("OUTER")))))
        columns = self.within(self.listed(self.identifier))
        condition = one(seq(self.word("ON"), self.condition), seq(self.word("USING"), columns))
        return one(
            seq(opt(self.word("NATURAL")), kind, self.word("JOIN"), self.table_reference, opt(condition)),
            seq(self.word("CROSS", "JOIN"), self.table_primary),  # ours
        )(at)

    # conditions

    def condition(self, at: int) -> Ends:
        factor = seq(many(self.word("NOT")), one(self.within(self.condition), self.predicate))  # NOT NOT: ours
        term = seq(factor, many(self.word("AND"), factor))
        return seq(term, many(self.word("OR"), term))(at)

    def predicate(self, at: int) -> Ends:
        value, negated = self.expression, opt(self.word("NOT"))
        compared = one(*(self.word(sign) for sign in ("=", "<>", "!=", "<", ">", "<=", ">=")))
        query = self.within(self.select_expression)
        return one(
            seq(value, compared, value),
            seq(value, negated, self.word("BETWEEN"), value, self.word("AND"), value),
            seq(value, negated, self.word("IN"), one(query, self.within(self.listed(value)))),
            seq(value, negated, one(self.word("LIKE"), self.word("ILIKE")), value),
            # ours: the standard has columns only
            seq(value, self.word("IS"), negated, self.word("NULL")),
            seq(self.word("EXISTS"), query),
        )(at)

    # values

    def expression(self, at: int) -> Ends:
        sign = one(*(self.word(sign) for sign in ("+", "-", "*", "/", "||")))
        operand = seq(many(one(self.word("+"), self.word("-"))), self.primary)  # several signs: ours
        return seq(operand, many(sign, operand))(at)

    def primary(self, at: int) -> Ends:
        aggregate = one(*(self.word(name) for name in ("COUNT", "MIN", "MAX", "SUM", "AVG")))
        quantifier = opt(one(self.word("DISTINCT"), self.word("ALL")))
        length = opt(self.within(self.kind("number", r"\d+")))
        types = one(
            *(self.word(name) for name in _TYPES), self.word("DOUBLE", "PRECISION"),
            seq(one(self.word("CHAR"), self.word("VARCHAR")), length),
        )  # fmt: skip
        return one(
            self.kind("number"), self.kind("string"), self.names, self.word("NULL"),
            self.word("TRUE"), self.word("FALSE"),  # ours
            self.within(self.expression),
            seq(self.word("COUNT"), self.within(self.word("*"))),
            seq(aggregate, self.within(seq(quantifier, self.expression))),
            seq(self.word("CAST"), self.within(seq(self.expression, self.word("AS"), types))),
            seq(self.call_of, self.within(opt(self.listed(self.expression)))),
            self.within(self.select_expression),  # ours: a subquery as a value
        )(at)  # fmt: skip

    def names(self, at: int) -> Ends:
        return seq(self.identifier, many(self.word("."), self.identifier))(at)

    def listed(self, rule: Rule) -> Rule:
        return seq(rule, many(self.word(","), rule))

    def within(self, rule: Rule) -> Rule:
        return seq(self.word("("), rule, self.word(")"))


def seq(*rules: Rule) -> Rule:
    def rule(at: int) -> Ends:
        places: Iterable[int] = [at]
        for part in rules:
            places = {end for place in places for end in part(place)}
        return frozenset(places)

    return rule


def one(*rules: Rule) -> Rule:
    return lambda at: frozenset().union(*(rule(at) for rule in rules))


def opt(*rules: Rule) -> Rule:
    return lambda at: frozenset([at]) | seq(*rules)(at)


def many(*rules: Rule) -> Rule:
    def rule(at: int) -> Ends:
        found, new = {at}, {at}
        while new:
            new = {end for place in new for end in seq(*rules)(place)} - found
            found |= new
        return frozenset(found)

    return rule
