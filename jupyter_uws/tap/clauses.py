"""What stands where in a query, as far as sqlglot's parser does not mind (ADQL 2.1, appendix A).

It takes clauses in any order, and words of other SQLs beside TOP, OFFSET and UNION.
"""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from .errors import ADQLError

_CLAUSES = (
    TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY,
    TokenType.OFFSET,
)  # fmt: skip
_LAST = (TokenType.ORDER_BY, TokenType.OFFSET)
SETS = (TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT)
_QUERIES = (TokenType.SELECT, TokenType.L_PAREN, None)
_AFTER_OFFSET = (TokenType.R_PAREN, TokenType.SEMICOLON, *SETS, *_CLAUSES, None)
_SPOKEN = {kind: kind.name.replace("_", " ") for kind in (*_CLAUSES, *SETS)}


def check_clauses(text: str, found: list[Token]) -> None:
    """Refuse a clause, or a word beside one, that is out of place."""
    levels: list[TokenType | None] = [None]  # the clause that was last, within each pair of parentheses
    for index, token in enumerate(found):
        kind, following = token.token_type, found[index + 1 : index + 3]
        if kind == TokenType.L_PAREN:
            levels.append(None)
        elif kind == TokenType.R_PAREN and len(levels) > 1:
            levels.pop()
        elif kind in SETS:
            _check_set(text, token, following, levels[-1])
            levels[-1] = None
        elif kind in _CLAUSES:
            _check_place(text, token, levels[-1])
            levels[-1] = kind
        if kind == TokenType.WITH and index:
            raise ADQLError(
                "WITH stands at the beginning of the whole query, before its first SELECT", text, token.start
            )
        if kind in (TokenType.TOP, TokenType.OFFSET):
            _check_number(text, token, following)


def _check_place(text: str, token: Token, last: TokenType | None) -> None:
    kind = token.token_type
    if last is None or kind == TokenType.SELECT or _CLAUSES.index(last) < _CLAUSES.index(kind):
        return
    if kind == last:
        raise ADQLError(f"there is a {_SPOKEN[kind]} already in this query", text, token.start)
    raise ADQLError(f"{_SPOKEN[kind]} stands before {_SPOKEN[last]}", text, token.start)


def _check_set(text: str, token: Token, following: list[Token], last: TokenType | None) -> None:
    word = _SPOKEN[token.token_type]
    if last == TokenType.SELECT:
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
