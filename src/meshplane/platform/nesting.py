"""Tells SQL that sqlglot would never end parsing. Importing this is cheap.

Where a name of a type stands before a bracket (`DATE (`, `ARRAY[`, `ROW(`), the parser tries to
read a type, and then reads all in the bracket once more as something else: it takes twice as long
with each that is nested in another, and forty fit into a line.
"""

_DEEPEST = 8


def is_endless(sql: str, dialect: str = "duckdb") -> bool:
    """Whether names of types before brackets are nested deeper than anybody writes them.

    Args:
        sql: what is to be parsed; what has no tokens is left to the parser to refuse.
        dialect: sqlglot's name for its SQL.
    """
    if sql.count("(") + sql.count("[") <= _DEEPEST:
        return False
    from sqlglot import TokenType
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import TokenError

    spoken = Dialect.get_or_raise(dialect)
    types = spoken.parser_class.TYPE_TOKENS
    opening = {TokenType.L_PAREN, TokenType.L_BRACKET}
    closing = {TokenType.R_PAREN, TokenType.R_BRACKET}
    try:
        tokens = spoken.tokenize(sql)
    except TokenError:
        return False
    opened: list[bool] = []
    depth, before = 0, None
    for token in tokens:
        kind = token.token_type
        if kind in opening:
            opened.append(before in types)
            depth += opened[-1]
            if depth > _DEEPEST:
                return True
        elif kind in closing and opened:
            depth -= opened.pop()
        before = kind
    return False
