"""What a project may see, as statements for Redshift; names and constants stay what they are."""

import re

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.aws_redshift_compiling import Held, Wanted, agrees, closing, opening
from meshplane.services.query.aws_redshift_filters import said
from meshplane.services.query.aws_redshift_sql import translate
from meshplane.services.query.aws_redshift_words import CannotSay, literal, quoted

HOSTILE = [
    'x" TO PUBLIC; --',
    "x'; DROP TABLE sales; --",
    'a"b""c',
    "ends with a quote'",
    "line\nbreak",
    "semi;colon",
    "/* comment */",
    "$$dollars$$",
    "ümläut",
    "PUBLIC",
    "ROLE analysts",
]
_IDENTIFIER = re.compile(r'"(?:[^"]|"")*"')


def _bare(sql: str) -> str:
    """A statement with `"…"` for every delimited identifier."""
    return _IDENTIFIER.sub('"…"', sql)


@pytest.mark.parametrize("name", HOSTILE)
def test_names__stay_within_their_quotes(name: str) -> None:
    filtered = said(("(c = 'v')",), {"c": "varchar(9)"})
    one = Wanted(name, name, name, (name, "plain"), filtered)
    held = Held(
        columns=frozenset({name}),
        whole=frozenset({"SELECT"}),
        policies=frozenset({f"meshplane_{name}"}),
        is_filtered=True,
    )
    assert [_bare(statement) for statement in opening(one, held)] == [
        'CREATE USER "…" PASSWORD DISABLE',
        'REVOKE ALL ON "…"."…" FROM "…"',
        'REVOKE SELECT ("…") ON "…"."…" FROM "…"',
        'DETACH RLS POLICY "…" ON "…"."…" FROM "…"',
        'DROP RLS POLICY "…"',
        'CREATE RLS POLICY "…" WITH ("…" varchar(9)) USING (("…" = \'v\'))',
        'ATTACH RLS POLICY "…" ON "…"."…" TO "…"',
        'GRANT USAGE ON SCHEMA "…" TO "…"',
        'GRANT SELECT ("…", "…") ON "…"."…" TO "…"',
    ]
    assert all(quoted(name) in statement for statement in closing(one, held)[:3])


@pytest.mark.parametrize("text", [one for one in HOSTILE if "\n" not in one])
def test_constants__stay_within_their_quotes(text: str) -> None:
    written = literal(text)
    assert written[0] == written[-1] == "'"
    assert written[1:-1].replace("''", "") == text.replace("'", "")
    escaped = text.replace("'", "''")
    told = said((f"c = '{escaped}'",), {"c": "varchar(99)"})
    assert told.text == f'(("c" = {written}))'


@pytest.mark.parametrize("text", ["a\\' OR TRUE --", "tab\there", "nul\x00"])
def test_constants__that_redshift_may_read_otherwise_are_refused(text: str) -> None:
    with pytest.raises(CannotSay):
        literal(text)


@pytest.mark.parametrize("kind", ["varchar(9)); GRANT", "int8 USING (TRUE)", "VARCHAR", ""])
def test_types__that_are_none_are_refused(kind: str) -> None:
    with pytest.raises(CannotSay):
        said(("c IS NULL",), {"c": kind})


def test_agreement__is_exact() -> None:
    one = Wanted("IAMR:project-a-role", "public", "sales", ("id", "shop"))
    right = Held(is_user=True, columns=frozenset({"id", "shop"}))
    assert agrees(one, right)
    for other in (
        Held(is_user=True, columns=frozenset({"id"})),
        Held(is_user=True, columns=frozenset({"id", "shop", "amount"})),
        Held(is_user=True, columns=right.columns, whole=frozenset({"SELECT"})),
        Held(is_user=True, columns=right.columns, strays=("the user is a superuser",)),
        Held(is_user=True, columns=right.columns, is_filtered=True),
        Held(columns=right.columns),
    ):
        assert not agrees(one, other)


def test_another_condition__has_another_policy() -> None:
    types = {"id": "int8"}
    names = {
        Wanted(user, "public", "sales", ("id",), rows).policy
        for user in ("IAMR:a", "IAMR:b")
        for rows in (None, said(("id < 5",), types), said(("id < 6",), types))
    }
    assert len(names) == 6


@pytest.mark.parametrize("name", ['"a; DROP TABLE x"', "a-b"])
def test_parameter__of_an_odd_name_never_becomes_sql(name: str) -> None:
    with pytest.raises(MeshplaneError) as told:
        translate(f"SELECT ${name}", {name.strip('"'): "1"})
    assert told.value.code == "SQL_INVALID"
