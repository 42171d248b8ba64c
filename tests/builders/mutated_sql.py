"""Statements, taken apart and put together wrongly: what lexers disagree about."""

import re
from random import Random

BASES = (
    "SELECT name, ssn FROM customers WHERE id > 1 ORDER BY 1",
    "SELECT c.name, o.amount FROM customers AS c JOIN orders o ON o.customer_id = c.id",
    "WITH x AS (SELECT id FROM customers) SELECT count(*) FROM x, orders",
    "FROM customers SELECT upper(name) || 'FROM payroll' AS \"x y\" LIMIT 3",
    "SELECT 'it''s', $$ payroll $$, E'a\\'b' FROM orders -- payroll",
    "SELECT /* payroll */ id FROM main.customers WHERE name IN (SELECT name FROM customers)",
    "SELECT id FROM customers UNION ALL SELECT oid FROM orders",
    "SELECT (SELECT max(amount) FROM orders WHERE customer_id = c.id) FROM customers c",
    "VALUES ((SELECT max(name) FROM customers)), ('payroll')",
    'SELECT "name" FROM "customers" WHERE "name" LIKE \'A%\'',
    "SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}.a FROM orders",
    "TABLE customers",
)
_SPACES = (
    " ", "  ", "\t", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u1680",
    "\u2003", "\u2028", "\u2029", "\u200b", "\u200e", "\u2060", "\u202f", "\u3000", "\ufeff",
    "\u180e",
)  # fmt: skip
_COMMENTS = (
    "/**/", "/* x */", "/*/* x */*/", "/* -- */", "--\n", "-- FROM payroll\n", "--\r", "/*", "*/",
    "/*'*/", "--'\n", "/*\"*/", "#", "//", "/*!50000 payroll */", "/*+ hint */",
    "--\u2028payroll\n",
)  # fmt: skip
_FRAGMENTS = (
    " FROM payroll ", ", payroll", " UNION FROM payroll", "; FROM payroll", '"payroll"',
    "'payroll'",
    "pay/**/roll", "(FROM payroll)", " payroll ", "$$payroll$$", "$x$", "$$", "E'\\''", "E'\\\\'",
    "U&'\\0061'", "X'41'", "b'1'", "\\", "\\'", "''", '""', "'", '"', "`", "`payroll`", "[payroll]",
    ";", ";;", "::", "->", "=>", "#1", "$1", "?", "@x", "{", "}", "(", ")", "[", "]", "\0", "*",
    "ONLY ",
    "\ufeff", "\ud7ff", "\U0001f600",
    "\ufb01", "\u017f", "\u212a", "\u0131", "main.", "memory.main.", "temp.",
    "hr.",
    " AS payroll ", " LATERAL ", " TABLE payroll ", "%", "&", "^", "~", "|", "!", "\x1b", "\x7f",
)  # fmt: skip
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


def mutated(random: Random) -> str:
    """A statement with one to five mistakes in it."""
    parts = _WORD.findall(random.choice(BASES))
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        _mutate(random, parts)
    return "".join(parts)


def _mutate(random: Random, parts: list[str]) -> None:
    place = random.randrange(len(parts) + 1)
    kind = random.randrange(9)
    if kind == 0:
        parts.insert(place, random.choice(_COMMENTS))
    elif kind == 1:
        parts.insert(place, random.choice(_SPACES))
    elif kind == 2:
        parts.insert(place, random.choice(_FRAGMENTS))
    elif kind == 3:
        spaces = [n for n, part in enumerate(parts) if part.isspace()]
        if spaces:
            parts[random.choice(spaces)] = random.choice((*_SPACES, *_COMMENTS))
    elif kind == 4 and place < len(parts):
        parts[place] = random.choice((parts[place].swapcase(), parts[place] * 2, ""))
    elif kind == 5:
        other = _WORD.findall(random.choice(BASES))
        start = random.randrange(len(other))
        parts[place:place] = other[start : start + random.randrange(1, 8)]
    elif kind == 6:
        quotes = [n for n, part in enumerate(parts) if part in ("'", '"', "$")]
        if quotes:
            parts[random.choice(quotes)] = random.choice(("'", '"', "$$", "`", "", "''", "E'"))
    elif kind == 7 and place < len(parts) and parts[place]:
        word = parts[place]
        inner = random.randrange(len(word))
        parts[place] = word[:inner] + random.choice((*_COMMENTS, *_SPACES, "\\")) + word[inner:]
    else:
        parts.insert(
            place, chr(random.choice((random.randrange(1, 256), random.randrange(0x2000, 0x2100))))
        )
