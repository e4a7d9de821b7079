"""ADQL 2.1 as a dialect of sqlglot: text in, syntax tree out.

sqlglot's parser accepts the union of many SQLs. What is left of it here: a tokenizer that knows the words
of ADQL only, no functions of its own, and a check of the tokens. What still slips through is refused by
the translator, which knows each node it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from .advice import misspelt
from .clauses import SETS, check_clauses
from .errors import ADQLError, ArchiveUnavailable
from .words import RESERVED

MAX_LENGTH = 200_000  # characters; a list of 10 000 identifiers fits
MAX_DEPTH = 30  # parentheses within parentheses: sqlglot recurses about 20 frames for each

_KEYWORDS = {
    "!=": TokenType.NEQ,
    "<>": TokenType.NEQ,
    "<=": TokenType.LTE,
    ">=": TokenType.GTE,
    "||": TokenType.DPIPE,
    "SELECT": TokenType.SELECT,
    "DISTINCT": TokenType.DISTINCT,
    "ALL": TokenType.ALL,
    "TOP": TokenType.TOP,
    "AS": TokenType.ALIAS,
    "FROM": TokenType.FROM,
    "WHERE": TokenType.WHERE,
    "GROUP BY": TokenType.GROUP_BY,
    "HAVING": TokenType.HAVING,
    "ORDER BY": TokenType.ORDER_BY,
    "ASC": TokenType.ASC,
    "DESC": TokenType.DESC,
    "OFFSET": TokenType.OFFSET,
    "WITH": TokenType.WITH,
    "UNION": TokenType.UNION,
    "EXCEPT": TokenType.EXCEPT,
    "INTERSECT": TokenType.INTERSECT,
    "JOIN": TokenType.JOIN,
    "NATURAL": TokenType.NATURAL,
    "LEFT": TokenType.LEFT,
    "RIGHT": TokenType.RIGHT,
    "FULL": TokenType.FULL,
    "INNER": TokenType.INNER,
    "OUTER": TokenType.OUTER,
    "CROSS": TokenType.CROSS,
    "ON": TokenType.ON,
    "USING": TokenType.USING,
    "AND": TokenType.AND,
    "OR": TokenType.OR,
    "NOT": TokenType.NOT,
    "IN": TokenType.IN,
    "IS": TokenType.IS,
    "NULL": TokenType.NULL,
    "TRUE": TokenType.TRUE,
    "FALSE": TokenType.FALSE,
    "EXISTS": TokenType.EXISTS,
    "BETWEEN": TokenType.BETWEEN,
    "LIKE": TokenType.LIKE,
    "ILIKE": TokenType.ILIKE,
}

_TYPES = {
    "CHAR": TokenType.CHAR,
    "VARCHAR": TokenType.VARCHAR,
    "INTEGER": TokenType.INT,
    "SMALLINT": TokenType.SMALLINT,
    "BIGINT": TokenType.BIGINT,
    "REAL": TokenType.FLOAT,
    "DOUBLE PRECISION": TokenType.DOUBLE,
    "TIMESTAMP": TokenType.TIMESTAMP,
}

_SYMBOLS = {
    TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA, TokenType.DOT, TokenType.DASH, TokenType.PLUS,
    TokenType.STAR, TokenType.SLASH, TokenType.EQ, TokenType.LT, TokenType.GT, TokenType.SEMICOLON,
}  # fmt: skip

_ALLOWED = (
    _SYMBOLS
    | set(_KEYWORDS.values())
    | set(_TYPES.values())
    | {TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER, TokenType.HEX_STRING}
)

# sqlglot overlooks a comma too many
_OPENING = {
    TokenType.SELECT, TokenType.DISTINCT, TokenType.ALL, TokenType.COMMA, TokenType.L_PAREN, TokenType.FROM,
    TokenType.GROUP_BY, TokenType.ORDER_BY,
}  # fmt: skip
_NEVER_AFTER_COMMA = {
    TokenType.FROM, TokenType.WHERE, TokenType.R_PAREN, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY,
    TokenType.OFFSET, TokenType.SEMICOLON, TokenType.JOIN, TokenType.NATURAL, TokenType.INNER, TokenType.LEFT,
    TokenType.RIGHT, TokenType.FULL, TokenType.CROSS, TokenType.ON, TokenType.USING, *SETS, None,
}  # fmt: skip
_SIGNS = {TokenType.STAR, TokenType.SLASH, TokenType.EQ}
_TYPE_TOKENS = set(_TYPES.values()) - {TokenType.TIMESTAMP}
_WORDS = {TokenType.VAR, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.HEX_STRING}
_VALUES = _WORDS | {TokenType.STRING}
_NAMES = {TokenType.VAR, TokenType.IDENTIFIER}
_CONSTANTS = {TokenType.NULL, TokenType.TRUE, TokenType.FALSE}
_AFTER_AS = {TokenType.L_PAREN, *_NAMES, *_TYPES.values()}
_BEGINNINGS = {
    TokenType.L_PAREN, TokenType.DASH, TokenType.PLUS, TokenType.DOT, *_CONSTANTS, *_VALUES, *_TYPES.values(),
}  # fmt: skip
_BEGINNINGS_OF_CONDITIONS = {TokenType.NOT, TokenType.EXISTS}
_NULL_ORDER = ("FIRST", "LAST")
_COMPARISONS = {TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE}

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TYPOGRAPHIC = re.compile("[\u2018\u2019\u201a\u201c\u201d\u201e\u00b4]")
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|(?P<open>['"])""")
MAX_WORD = 128  # characters of a name or a number
_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")

# words and signs of other SQLs, and how ADQL says it
HINTS = {
    "LIMIT": "ADQL has no LIMIT: write SELECT TOP n …",
    "FETCH": "ADQL has no FETCH FIRST: write SELECT TOP n …",
    "MINUS": "ADQL has no MINUS: write EXCEPT",
    "CASE": "ADQL has no CASE: use COALESCE, or UNION of two queries",
    "WHEN": "ADQL has no CASE: use COALESCE, or UNION of two queries",
    "QUALIFY": "ADQL has no QUALIFY: filter in an outer query, SELECT … FROM (SELECT …) AS t WHERE …",
    "OVER": "ADQL has no window functions: use GROUP BY in a subquery",
    "WINDOW": "ADQL has no window functions: use GROUP BY in a subquery",
    "FILTER": "ADQL has no FILTER: put the condition into WHERE",
    "EXCLUDE": "ADQL has no EXCLUDE: name the columns that are wanted",
    "REPLACE": "ADQL has no REPLACE: name the columns that are wanted",
    "TABLESAMPLE": "ADQL has no TABLESAMPLE: use TOP n, or a condition on RAND()",
    "SAMPLE": "ADQL has no SAMPLE: use TOP n, or a condition on RAND()",
    "PIVOT": "ADQL has no PIVOT: use GROUP BY",
    "UNPIVOT": "ADQL has no UNPIVOT: use UNION ALL",
    "LATERAL": "ADQL has no LATERAL: use a JOIN",
    "ROLLUP": "ADQL has no ROLLUP: use UNION ALL of two GROUP BY queries",
    "RECURSIVE": "ADQL has no recursive queries",
    "CORRESPONDING": "ADQL has no CORRESPONDING: name the columns, in one order",
    "VALUES": "ADQL has no VALUES: upload a table instead",
    "INTERVAL": "ADQL has no INTERVAL: times are numbers (MJD, days), so add or subtract days",
    "ESCAPE": "ADQL has no ESCAPE",
    ":": "angles are numbers, in degrees",
    "::": "write CAST(value AS type)",
    "%": "write MOD(a, b); the pattern of LIKE is a text, '%a%'",
    "^": "write POWER(a, b), or BIT_XOR(a, b)",
    "&": "write BIT_AND(a, b)",
    "|": "write BIT_OR(a, b), or a || b to join texts",
    "~": "write BIT_NOT(a), or LIKE for patterns",
    "**": "write POWER(a, b)",
    "==": "write = for equality",
    "/*": "comments are written -- to the end of the line",
    "[": "there are no arrays",
    "{": "there are no structures",
    "`": "identifiers are quoted with double quotes",
    "?": "there are no parameters: write the value",
}  # fmt: skip

#: A query of nothing but a semicolon is an empty one.
_FIRST = {TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN, TokenType.SEMICOLON}
_STATEMENTS = {
    "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "COPY", "EXPORT", "IMPORT", "PRAGMA",
    "SET", "RESET", "CALL", "LOAD", "INSTALL", "USE", "SHOW", "DESCRIBE", "EXPLAIN", "TRUNCATE", "VACUUM", "BEGIN",
    "COMMIT", "EXECUTE", "PREPARE", "CHECKPOINT", "SUMMARIZE", "VALUES", "FROM",
}  # fmt: skip


class _Tokenizer(tokens.Tokenizer):
    KEYWORDS: ClassVar = {**_KEYWORDS, **_TYPES}
    COMMENTS: ClassVar[list[str | tuple[str, str]]] = ["--"]
    HEX_STRINGS: ClassVar[list[str | tuple[str, str]]] = [("0x", ""), ("0X", "")]
    COMMANDS: ClassVar[set[TokenType]] = set()


class _SyntaxError(ParseError):
    """sqlglot's error with the token where it happened, or the last one where more were expected."""

    def __init__(self, message: str, token: Token | None, *, at_end: bool) -> None:
        super().__init__(message, [{}])
        self.token = token
        self.at_end = at_end


class _Parser(parser.Parser):
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    NO_PAREN_FUNCTIONS: ClassVar = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {"CAST": lambda self: self._parse_adql_cast()}
    # sqlglot's own tell nothing of the place
    PRIMARY_PARSERS: ClassVar = {
        **parser.Parser.PRIMARY_PARSERS,
        TokenType.NULL: lambda self, token: self.expression(exp.Null(), token),
        TokenType.TRUE: lambda self, token: self.expression(exp.Boolean(this=True), token),
        TokenType.FALSE: lambda self, token: self.expression(exp.Boolean(this=False), token),
    }
    STATEMENT_PARSERS: ClassVar = {}
    # TOP belongs to its SELECT, not to the set operation the SELECT is part of
    SET_OP_MODIFIERS: ClassVar = {"order", "offset"}

    def _parse_join(self, *args: Any, **kwargs: Any) -> Any:
        comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        join = super()._parse_join(*args, **kwargs)
        if comma and join is not None:
            join.meta["comma"] = True  # the tree alone does not tell "a, b" from "a JOIN b"
        return join

    def _parse_adql_cast(self) -> exp.Cast:
        value = self._parse_assignment()
        if not self._match(TokenType.ALIAS):
            self.raise_error("AS is missing")
        token = self._curr
        kind = self._parse_types()
        if kind is None:
            self.raise_error("a type is missing")
        return self.expression(exp.Cast(this=value, to=kind), token)

    def _parse_between(self, this: exp.Expr | None) -> exp.Between:
        low = self._parse_bitwise()
        if self._curr and not self._match(TokenType.AND):  # sqlglot does without it
            self.raise_error("AND is missing")
        return self.expression(exp.Between(this=this, low=low, high=self._parse_bitwise()))

    def raise_error(self, message: str, token: Token | None = None) -> None:
        raise _SyntaxError(message, token or self._curr or self._prev, at_end=not self._curr)


def _problem() -> str | None:
    """Why queries cannot be parsed, where nobody may derive from sqlglot's parser, as from its compiled modules."""
    try:
        ADQL().parser()
    except TypeError as error:
        return (
            f"ADQL cannot be parsed with the sqlglot that is installed here ({error}), which is that of sqlglotc:"
            " pip uninstall sqlglotc, then pip install --force-reinstall sqlglot"
        )
    return None


class ADQL(Dialect):
    """ADQL's lexical rules and grammar, for sqlglot."""

    # types that are none of ADQL's are refused by the translator, which knows how they are called
    SUPPORTS_USER_DEFINED_TYPES = True

    Tokenizer = _Tokenizer
    Parser = _Parser


PROBLEM = _problem()


def parse(text: str) -> exp.Expr:
    """The syntax tree of one query. Raises :class:`ADQLError` with the position of what is wrong.

    Raises ArchiveUnavailable where sqlglot is of no use.
    """
    if PROBLEM is not None:
        raise ArchiveUnavailable(PROBLEM)
    if len(text) > MAX_LENGTH:
        raise ADQLError(f"the query has {len(text)} characters; {MAX_LENGTH} are allowed: upload long lists as a table")
    if (place := _UNWRITABLE.search(text)) is not None:
        raise ADQLError("the query has a control character", text, place.start())
    try:
        found = ADQL().tokenize(text)
    except TokenError as error:
        raise _token_error(text, error) from None
    _check_tokens(text, found)
    check_clauses(text, found)
    _check_order(text, found)
    while found and found[-1].token_type == TokenType.SEMICOLON:
        found.pop()
    if not found:
        raise ADQLError("the query is empty")
    try:
        statements = ADQL().parser(error_level=None).parse(found, text)
    except _SyntaxError as error:
        raise _syntax_error(text, found, error) from None
    except RecursionError:
        raise ADQLError("the query is nested too deeply") from None
    if len(statements) != 1 or statements[0] is None:
        raise ADQLError("one query at a time: nothing may follow it")
    return statements[0]


def _hint_near(found: list[Token], offset: int) -> tuple[str, int] | None:
    """What a word at or around ``offset`` means in another SQL, how ADQL says it, and the word's place."""
    near = [token for token in found if token.start <= offset][-3:]
    following = [token for token in found if token.start > offset][:1]
    for token in (*reversed(near), *following):
        if token.token_type == TokenType.VAR and (hint := HINTS.get(token.text.upper())):
            return hint, token.start
    return None


def _check_tokens(text: str, found: list[Token]) -> None:
    depth = 0
    for token, following in zip(found, [*found[1:], None], strict=False):
        kind, offset = token.token_type, token.start
        written = text[offset : token.end + 1]
        sign = text[offset : offset + 2] if kind in _SIGNS or kind not in _ALLOWED else ""
        if kind not in _ALLOWED or sign in HINTS:
            sign = sign if sign in HINTS else sign[:1]
            raise ADQLError(f"{sign!r} is not ADQL" + (f": {HINTS[sign]}" if sign in HINTS else ""), text, offset)
        if kind in _WORDS and len(written) > MAX_WORD:
            raise ADQLError(f"{written[:40]}… has more than {MAX_WORD} characters", text, offset)
        if kind == TokenType.VAR and (place := _TYPOGRAPHIC.search(written)) is not None:
            raise ADQLError(
                "typographic quotes are not ADQL: a text is written in '…', a name in \"…\"",
                text,
                offset + place.start(),
            )
        if kind == TokenType.VAR and not _REGULAR.match(written):
            raise ADQLError(
                f"{written[:40]!r} is not an identifier: they begin with a letter and have letters, digits and _;"
                ' others are written in double quotes, "…"',
                text,
                offset,
            )
        if kind == TokenType.VAR and written.upper() in ("CASE", "WHEN"):
            raise ADQLError(HINTS["CASE"], text, offset)
        if kind == TokenType.VAR and written.upper() == "NULLS" and following and following.text.upper() in _NULL_ORDER:
            raise ADQLError("ADQL has no NULLS FIRST or LAST: they come last here", text, offset)
        if kind == TokenType.COMMA and (following.token_type if following else None) in _NEVER_AFTER_COMMA:
            raise ADQLError("nothing follows the comma", text, offset)
        if kind in _OPENING and following and following.token_type == TokenType.COMMA:
            raise ADQLError(f"nothing stands before the comma, after {written!r}", text, following.start)
        if following and following.token_type == TokenType.STRING:
            if kind in _TYPES.values():
                raise ADQLError(f"{written} '…' is not ADQL: write CAST('…' AS {written})", text, offset)
            if written.upper() in ("DATE", "TIME"):
                raise ADQLError(f"{written} '…' is not ADQL: write CAST('…' AS TIMESTAMP)", text, offset)
            if kind == TokenType.STRING:
                raise ADQLError("two texts side by side are not ADQL: || joins them, 'a' || 'b'", text, offset)
        if kind in _COMPARISONS and following and (word := following.text.upper()) in ("ALL", "ANY", "SOME"):
            raise ADQLError(f"ADQL has no {word} (SELECT …): write IN, or MIN or MAX in it", text, following.start)
        if kind == TokenType.SEMICOLON and following and following.token_type != TokenType.SEMICOLON:
            raise ADQLError("one query at a time: nothing may follow the semicolon", text, offset)
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        if depth > MAX_DEPTH:
            raise ADQLError(f"more than {MAX_DEPTH} parentheses within each other", text, offset)
    if found and text[found[0].start : found[0].end + 1].upper() in _STATEMENTS:
        raise ADQLError(f"{found[0].text.upper()!r} is not ADQL: a query begins with SELECT", text, found[0].start)
    if found and found[0].token_type not in _FIRST:
        raise ADQLError(f"a query begins with SELECT, not {found[0].text[:40]!r}", text, found[0].start)


def _check_order(text: str, found: list[Token]) -> None:
    """Refuse what sqlglot's parser puts up with."""
    kinds = [token.token_type for token in found]
    for index, (token, kind) in enumerate(zip(found, kinds, strict=True)):
        before, after = (kinds[index - 1] if index else None), kinds[index + 1 : index + 3]
        if _is_out_of_place(before, kind, after[0] if after else None):
            raise _syntax_error(text, found, _SyntaxError("", token, at_end=False))
        written = text[token.start : token.end + 1]
        if kind == TokenType.ALIAS and (not after or after[0] not in _AFTER_AS):
            word = text[found[index + 1].start : found[index + 1].end + 1] if after else ""
            advice = f", and {word} is none unless it is in double quotes" if word.lower() in RESERVED else ""
            raise ADQLError(f"AS is followed by a name{advice}", text, token.start)
        if kind == TokenType.ON and (not after or after[0] not in _BEGINNINGS | _BEGINNINGS_OF_CONDITIONS):
            raise ADQLError("ON is followed by a condition", text, token.start)
        if kind == TokenType.USING and (after[:1] != [TokenType.L_PAREN] or after[1:] == [TokenType.R_PAREN]):
            raise ADQLError("USING is followed by the names of columns, in parentheses", text, token.start)
        if kind == TokenType.NOT and after[:1] == [TokenType.NULL] and before != TokenType.IS:
            raise ADQLError("NOT NULL is not ADQL here: write IS NOT NULL", text, token.start)
        if kind in _TYPE_TOKENS and before != TokenType.ALIAS:
            raise ADQLError(f"{written} is a type, as in CAST(value AS {written})", text, token.start)
        if kind == TokenType.DOT and after[:1] == [TokenType.NUMBER] and found[index + 1].start != token.end + 1:
            raise ADQLError("a number has no blanks", text, token.start)
        if kind in _NAMES and after == [TokenType.L_PAREN, TokenType.SELECT] and written.upper() not in HINTS:
            raise ADQLError(f"{written} (SELECT …) is not ADQL; WITH takes {written} AS (SELECT …)", text, token.start)
        if kind == TokenType.L_PAREN and before in _TYPE_TOKENS and after != [TokenType.NUMBER, TokenType.R_PAREN]:
            raise ADQLError("the length of a type is a whole number, such as VARCHAR(10)", text, token.start)


def _is_out_of_place(before: TokenType | None, kind: TokenType, after: TokenType | None) -> bool:
    """Whether a word or sign cannot stand between these, at the beginning or at the end."""
    is_after_value = before in _NAMES or before == TokenType.R_PAREN
    match kind:
        case TokenType.DOT:
            return before not in _NAMES and after != TokenType.NUMBER
        case TokenType.PLUS | TokenType.DASH:
            return after not in _BEGINNINGS or before == TokenType.IS
        case TokenType.STAR:
            return is_after_value and after not in _BEGINNINGS
        case TokenType.ALIAS:
            return not (is_after_value or before in _VALUES or before in _CONSTANTS)
        case TokenType.ASC | TokenType.DESC:
            return after not in (TokenType.COMMA, TokenType.R_PAREN, TokenType.OFFSET, TokenType.SEMICOLON, None)
        case TokenType.ALL | TokenType.NULL | TokenType.STRING:
            return is_after_value
        case TokenType.DISTINCT:
            return before == TokenType.GROUP_BY
        case TokenType.IS:
            return before == TokenType.NOT
        case TokenType.IN:
            return after not in _VALUES and after not in (TokenType.L_PAREN, None)
    return False


def _syntax_error(text: str, found: list[Token], error: _SyntaxError) -> ADQLError:
    if error.token is None or not error.token.text:
        return ADQLError("the query ends too early", text, len(text.rstrip()))
    offset = error.token.start
    if (hint := _hint_near(found, offset)) is not None:
        return ADQLError(hint[0], text, hint[1])
    written = text[offset : error.token.end + 1]
    before = [t.text for t in found if t.start <= offset and t.token_type == TokenType.VAR and len(t.text) <= MAX_WORD]
    advice = misspelt(reversed(before[-3:]))
    if offset == found[-1].start and (error.at_end or error.token.token_type not in _VALUES):
        return ADQLError(f"the query is incomplete at {written[:40]!r}{advice}", text, offset)
    return ADQLError(f"{written[:40]!r} is not expected here{advice}", text, offset)


def _token_error(text: str, error: TokenError) -> ADQLError:
    for part in _QUOTED.finditer(text):
        if part["open"] == "'":
            message = "a string is not closed: a ' is missing (a quote within a string is written twice)"
        elif part["open"] == '"':
            message = 'a quoted identifier is not closed: a " is missing'
        else:
            continue
        return ADQLError(message, text, part.start())
    return ADQLError(str(error).split("\n")[0])
