"""What stands where in a query, as far as sqlglot's parser does not mind (ADQL 2.1, appendix A).

It takes clauses in any order, and words of other SQLs beside TOP, OFFSET and UNION.
"""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from .errors import ADQLError
from .functions import AGGREGATES

_CLAUSES = (
    TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY,
    TokenType.OFFSET,
)  # fmt: skip
_LAST = (TokenType.ORDER_BY, TokenType.OFFSET)
SETS = (TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT)
_KINDS_OF_JOINS = (
    TokenType.NATURAL, TokenType.INNER, TokenType.LEFT, TokenType.RIGHT, TokenType.FULL, TokenType.OUTER,
    TokenType.CROSS,
)  # fmt: skip
_QUERIES = (TokenType.SELECT, TokenType.L_PAREN, None)
_AFTER_OFFSET = (TokenType.R_PAREN, TokenType.SEMICOLON, *SETS, *_CLAUSES, None)
_SPOKEN = {kind: kind.name.replace("_", " ") for kind in (*_CLAUSES, *SETS)}


def check_clauses(text: str, found: list[Token]) -> None:
    """Refuse a clause, or a word beside one, that is out of place."""
    _check_parentheses(text, found)
    levels: list[TokenType | None] = [None]  # the clause that was last, within each pair of parentheses
    for index, token in enumerate(found):
        kind, following = token.token_type, found[index + 1 : index + 3]
        if kind == TokenType.L_PAREN:
            levels.append(TokenType.USING if index and found[index - 1].token_type == TokenType.USING else None)
        elif kind == TokenType.R_PAREN:
            levels.pop()
        elif kind == TokenType.STRING and _is_name(found, index, levels[-1]):
            raise ADQLError(f"{token.text[:40]!r} is a text here: names stand in double quotes", text, token.start)
        elif kind in SETS:
            _check_set(text, found[max(index - 1, 0)], token, following, levels[-1])
            levels[-1] = None
        elif kind in _CLAUSES:
            _check_place(text, token, levels[-1])
            levels[-1] = kind
        if kind == TokenType.WITH and index:
            raise ADQLError(
                "WITH stands at the beginning of the whole query, before its first SELECT", text, token.start
            )
        elif kind in (TokenType.TOP, TokenType.OFFSET):
            _check_number(text, token, following)
        elif kind == TokenType.ALL and not _is_quantifier(found, index):
            raise ADQLError("ALL stands after SELECT or UNION, or as in COUNT(ALL value)", text, token.start)
        elif kind == TokenType.STAR and levels[-1] == TokenType.FROM and _is_after_table(found, index):
            raise ADQLError("'*' is not expected here, after the name of a table", text, token.start)


def _check_parentheses(text: str, found: list[Token]) -> None:
    opened: list[Token] = []
    for token in found:
        if token.token_type == TokenType.L_PAREN:
            opened.append(token)
        elif token.token_type == TokenType.R_PAREN:
            if not opened:
                raise ADQLError("the parentheses do not match: nothing opens this one", text, token.start)
            opened.pop()
    if opened:
        raise ADQLError("the parentheses do not match: this one is not closed", text, opened[-1].start)


def _is_quantifier(found: list[Token], index: int) -> bool:
    """Whether an ALL says which rows, or which values of an aggregate."""
    before = [token.token_type for token in found[max(index - 2, 0) : index]]
    if before[-1:] != [TokenType.L_PAREN]:
        return bool(before) and before[-1] in (TokenType.SELECT, *SETS)
    after = found[index + 1].token_type if index + 1 < len(found) else None
    return found[index - 2].text.upper() in AGGREGATES and after != TokenType.STAR


def _is_name(found: list[Token], index: int, last: TokenType | None) -> bool:
    """Whether a text stands where only a name can, which sqlglot would make of it."""
    before = found[index - 1].token_type if index else None
    after = [token.token_type for token in found[index + 1 : index + 3]]
    return (
        before in (TokenType.FROM, TokenType.JOIN, TokenType.WITH, TokenType.DOT)
        or (before == TokenType.COMMA and last == TokenType.FROM)
        or last == TokenType.USING
        or after[:1] == [TokenType.DOT]
        or after == [TokenType.ALIAS, TokenType.L_PAREN]
    )


def _is_after_table(found: list[Token], index: int) -> bool:
    """Whether the names before a token are those of a table, and not of a column."""
    before = index - 1
    while before >= 0 and found[before].token_type in (TokenType.VAR, TokenType.IDENTIFIER, TokenType.DOT):
        before -= 1
    return found[before].token_type in (TokenType.FROM, TokenType.JOIN, TokenType.COMMA)


def _check_place(text: str, token: Token, last: TokenType | None) -> None:
    kind = token.token_type
    if kind == TokenType.FROM and last is None:
        raise ADQLError("FROM stands after SELECT and its columns", text, token.start)
    if last not in _CLAUSES or kind == TokenType.SELECT or _CLAUSES.index(last) < _CLAUSES.index(kind):
        return
    if kind == last:
        raise ADQLError(f"there is a {_SPOKEN[kind]} already in this query", text, token.start)
    raise ADQLError(f"{_SPOKEN[kind]} stands before {_SPOKEN[last]}", text, token.start)


def _check_set(text: str, before: Token, token: Token, following: list[Token], last: TokenType | None) -> None:
    if before.token_type in _KINDS_OF_JOINS:
        written = text[before.start : before.end + 1]
        raise ADQLError(f"{written!r} is not expected here, before {token.token_type.name}", text, before.start)
    word = _SPOKEN[token.token_type]
    if last == TokenType.SELECT and following and following[0].token_type == TokenType.L_PAREN:
        return  # SELECT * EXCEPT …: the translator knows better what is meant
    if last in _LAST:
        raise ADQLError(
            f"{_SPOKEN[last]} stands at the end, after {word}; that of one of the queries stands with it in"
            f" parentheses, (SELECT … {_SPOKEN[last]} …) {word} …",
            text,
            token.start,
        )
    if following and following[0].token_type == TokenType.ALL:
        following = following[1:]
    if (following[0].token_type if following else None) not in _QUERIES:
        advice = f"; without ALL, {word} leaves duplicates out" if following[0].token_type == TokenType.DISTINCT else ""
        raise ADQLError(f"{word} is followed by SELECT, or by ALL and SELECT{advice}", text, following[0].start)


def _check_number(text: str, token: Token, following: list[Token]) -> None:
    word = token.token_type.name
    if not following:
        return
    number, after = following[0], following[1:]
    if number.token_type != TokenType.NUMBER:
        raise ADQLError(f"{word} takes a whole number, such as {word} 10", text, number.start)
    kind = after[0].token_type if after else None
    if token.token_type == TokenType.TOP and kind in (TokenType.DISTINCT, TokenType.ALL):
        raise ADQLError(f"{kind.name} stands before TOP: SELECT {kind.name} TOP …", text, token.start)
    if token.token_type == TokenType.OFFSET and kind not in _AFTER_OFFSET:
        written = text[after[0].start : after[0].end + 1]
        raise ADQLError(f"{written!r} is not expected here: OFFSET and its number end a query", text, after[0].start)
