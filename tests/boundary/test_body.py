"""Bodies: whatever comes, the answer names the field, repeats no value, and nothing breaks."""

import json
import random
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from meshplane.boundary.body import parse_body, parse_query
from meshplane.boundary.etags import etag, expected_version
from meshplane.boundary.schemas import (
    ApiModel,
    Id,
    Line,
    PageQuery,
    PrincipalName,
    ProjectPrincipal,
    Slug,
    SqlName,
    Text,
    position,
    principal_name,
)
from meshplane.kit.errors import ConditionRequired, Invalid, MeshplaneError
from tests.builders import seeds


class Member(ApiModel):
    role: str
    since_year: int | None = None


class Order(ApiModel):
    name: Line
    count: int = 0
    share: float = 0.0
    members: list[Member] = []  # noqa: RUF012 - pydantic copies it
    extra: Any = None


def problem(raw: bytes) -> MeshplaneError:
    with pytest.raises(MeshplaneError) as caught:
        parse_body(Order, raw)
    return caught.value


def fields(raw: bytes) -> list[str]:
    return [each.field for each in problem(raw).fields]


def test_body__becomes_its_model() -> None:
    raw = b'{"name":"\xc3\xa9e\xcc\x81","members":[{"role":"owner","sinceYear":2020}]}'
    order = parse_body(Order, raw)
    assert order.name == "éé"
    assert order.members[0].since_year == 2020


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{}", ["name"]),
        (b'{"name":1}', ["name"]),
        (b'{"name":"a","count":"1"}', ["count"]),
        (b'{"name":"a","count":true}', ["count"]),
        (b'{"name":"a","count":1.0}', ["count"]),
        (b'{"name":"a","count":null}', ["count"]),
        (b'{"name":"a","unknown":1}', ["unknown"]),
        (b'{"name":"a","Name":"b"}', ["Name"]),
        (b'{"name":"a","members":{}}', ["members"]),
        (b'{"name":"a","members":[{"role":"x"},{"role":2}]}', ["members.1.role"]),
        (b'{"name":"a","members":[{"role":"x","sinceYear":"y"}]}', ["members.0.sinceYear"]),
        (b'{"count":"x","members":[{}]}', ["name", "count", "members.0.role"]),
        (b"[]", ["(body)"]),
        (b"null", ["(body)"]),
        (b'"text"', ["(body)"]),
        (b"3", ["(body)"]),
    ],
)
def test_body__that_does_not_fit_names_each_field(raw: bytes, named: list[str]) -> None:
    found = problem(raw)
    assert isinstance(found, Invalid)
    assert found.code == "REQUEST_INVALID"
    assert fields(raw) == named


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"{", b'{"name"', b'{"name":}', b"{'name':'a'}", b'{"name":"a",}', b"nul",
        b'{"name":"a"} x', b'{"name":"a"}{}', b'{"name":"a\n"}', b'{"name":"\\x"}', b"\x00",
        b'{"name":"a"}\x00', b'\xef\xbb\xbf{"name":"a"}', b"\xff\xfe{\x00", b'{"name":"\xff"}',
        b'{"name":"\xed\xa0\x80"}', b'{"name":"\xc0\x80"}', '{"name":"a"}'.encode("utf-16"),
        b'{"name":"a","count":01}', b'{"name":"a","count":+1}', b'{"name":"a","count":.5}',
        b'{"name":"a","count":0x10}', b"name: a", b"<name>a</name>", b"// c\n{}",
    ],
    ids=range(27),
)  # fmt: skip
def test_body__that_is_not_json_is_malformed(raw: bytes) -> None:
    found = problem(raw)
    assert isinstance(found, Invalid)
    assert found.code == "JSON_MALFORMED"
    assert fields(raw) == ["(body)"]


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"name":"a","extra":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"name":"a","extra":' + b'{"a":[' * 300 + b"]}" * 300 + b"}",
    ],
    ids=range(5),
)
def test_body__that_is_too_deep_is_refused_quickly(raw: bytes) -> None:
    begun = time.process_time()
    assert problem(raw).code == "JSON_TOO_DEEP"
    assert time.process_time() - begun < 2


def test_body__with_brackets_in_text_is_not_deep() -> None:
    text = "[{" * 90
    assert parse_body(Order, json.dumps({"name": text}).encode()).name == text
    found = problem(json.dumps({"name": "[" * 500, "extra": '\\"' * 500}).encode() + b"x")
    assert found.code == "JSON_MALFORMED"


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b'{"name":"a\\ud800"}', "name"),
        (b'{"name":"\\udc00a"}', "name"),
        (b'{"name":"a","members":[{"role":"\\ud83d"}]}', "members.0.role"),
        (b'{"name":"a","extra":{"x":["ok","\\udfff"]}}', "extra.x.1"),
        (b'{"a\\ud800":1}', "(body)"),
    ],
)
def test_body__with_half_a_character_names_where(raw: bytes, named: str) -> None:
    found = problem(raw)
    assert (found.code, found.fields[0].field) == ("TEXT_INVALID", named)
    found.fields[0].field.encode()


NUMBER_BOMBS = {
    "ten thousand digits": b"1" * 10_000,
    "a million digits": b"9" * 1_000_000,
    "minus ten thousand digits": b"-" + b"7" * 10_000,
}


@pytest.mark.parametrize("number", NUMBER_BOMBS.values(), ids=NUMBER_BOMBS)
@pytest.mark.parametrize("field", ["count", "extra"])
def test_body__with_a_number_bomb_is_refused_quickly(field: str, number: bytes) -> None:
    begun = time.process_time()
    found = problem(b'{"name":"a","%s":%s}' % (field.encode(), number))
    assert time.process_time() - begun < 2
    assert found.code in {"JSON_MALFORMED", "REQUEST_INVALID"}
    assert len(str(found.fields)) < 1000


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"Infinity", b"-Infinity", b"1e999999999"])
def test_whole_number__takes_no_infinity(number: bytes) -> None:
    assert fields(b'{"name":"a","count":%s}' % number) == ["count"]


def test_body__with_many_problems_names_some_and_is_answered_quickly() -> None:
    members = [{"role": number} for number in range(20_000)]
    begun = time.process_time()
    found = problem(json.dumps({"name": "a", "members": members}).encode())
    assert len(found.fields) == 20
    assert time.process_time() - begun < 2


def test_body__with_a_long_key_does_not_repeat_it_whole() -> None:
    (named,) = fields(json.dumps({"name": "a", "k" * 50_000: 1}).encode())
    assert len(named) <= 200


def test_errors__never_repeat_a_value() -> None:
    secret = "hunter2"
    for body in (
        {"name": 1, "count": secret},
        {"name": secret * 100},
        {"name": secret + "\0"},
        {"name": "a", "share": secret},
        {"name": "a", "members": secret},
        {"name": "a", "members": [{"role": {"x": secret}}]},
    ):
        found = problem(json.dumps(body).encode())
        assert secret not in str(found.fields) + found.message


def assert_parsed_or_refused(raw: bytes) -> None:
    try:
        parsed = parse_body(Order, raw)
    except Invalid as error:
        named = error.fields
    else:
        assert isinstance(parsed, Order)
        return
    assert named
    assert str(named).encode()


def test_body__mutated_at_random_is_parsed_or_refused_and_nothing_else() -> None:
    chance = random.Random(seeds.fresh())
    raw = b'{"name":"a\\u00e9\xc3\xa9","count":-12,"share":1.5e3,"members":[{"role":"x"}]}'
    for _ in range(5000):
        changed = bytearray(raw)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changed))
            match chance.randrange(3):
                case 0:
                    changed[place] = chance.randrange(256)
                case 1:
                    del changed[place]
                case _:
                    changed.insert(place, chance.choice(b'{}[]",:\\0919eE+-.u\x00\xff'))
        assert_parsed_or_refused(bytes(changed))


@given(st.binary(max_size=200))
def test_body__of_any_bytes_is_parsed_or_refused(raw: bytes) -> None:
    assert_parsed_or_refused(raw)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5))
def test_query__of_any_text_is_parsed_or_refused(values: dict[str, str]) -> None:
    fits = set(values) <= {"limit", "cursor"}
    try:
        parse_query(PageQuery, values)
    except Invalid as error:
        found = error
    else:
        assert fits
        return
    assert found.code == "REQUEST_INVALID"
    assert found.fields


def accepts(kind: Any, text: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


FORBIDDEN = ["\0", "\x01", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff",
             "\ue000", "\uffff", "\U000e0001", "\u00ad", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("character", FORBIDDEN, ids=lambda c: f"U+{ord(c):04X}")
def test_text__takes_no_control_and_nothing_invisible(character: str) -> None:
    for kind in (Text, Line):
        assert not accepts(kind, f"a{character}b")


def test_text__takes_what_people_write() -> None:
    for text in ("", "Flüge\nab\tNew York\r\n", "中文", "🙂", "a" * 4000, "עברית", "½ × 2 — “x”"):
        assert accepts(Text, text)
    assert not accepts(Text, "a" * 4001)


def test_text__is_kept_in_one_form() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Text)
    assert adapter.validate_python("e\u0301") == "é"
    assert unicodedata.is_normalized("NFC", adapter.validate_python("a\u030a\u1100\u1161"))


def test_line__is_one_line_of_one_to_two_hundred_characters() -> None:
    for text in ("a", "Flüge ab New York", "a" * 200):
        assert accepts(Line, text)
    for bad in ("", "a\nb", "a\rb", "a\tb", "a\u2028b", "a\u2029b", "a" * 201):
        assert not accepts(Line, bad)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            Slug,
            ["ab", "a1", "flight-operations", "a" * 48],
            ["", "a", "A", "aB", "1a", "a-", "-a", "a--b", "a_b", "a.b", "a" * 49, "ab\n", "é1",
             "\uff41\uff42", "../x"],
        ),
        (
            SqlName,
            ["a", "delays_by_carrier", "a1_", "a" * 63],
            ["", "A", "1a", "_a", "a-b", "a b", 'a"', "a;b", "a" * 64, "a\n", "é", "a.b"],
        ),
        (Id, ["dzd-1", "proj-01a", "abc"], ["", "ab", "A-1", "a/b", "a" * 81, "abc\n", "a%2f"]),
        (
            PrincipalName,
            ["user:a", "user:ada@aviation", "group:x-y_z.1+2:3"],
            ["", "user:", "ada", "role:ada", "user:-a", "user:a b", "user:a\n", "user:é", "User:a",
             "user:" + "a" * 200, "user:a/b", "service:query"],
        ),
        (
            ProjectPrincipal,
            ["project:proj-1", "project:proj-01a"],
            ["project:1", "proj-1", "project:proj-", "project:proj-A", "project:proj-1\n"],
        ),
    ],
    ids=["Slug", "SqlName", "Id", "PrincipalName", "ProjectPrincipal"],
)  # fmt: skip
def test_names__have_one_form(kind: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not accepts(kind, text)] == []
    assert [text for text in bad if accepts(kind, text)] == []


def test_principal_name__from_a_path_is_refused_by_name() -> None:
    assert principal_name("user:ada@aviation") == "user:ada@aviation"
    with pytest.raises(Invalid) as caught:
        principal_name("user:ada/../bob")
    assert caught.value.code == "PRINCIPAL_INVALID"


@pytest.mark.parametrize("cursor", ["", "-1", "1.0", "٣", "²", "1e3", " 1", "9" * 19, "x"])
def test_position__takes_digits_alone(cursor: str) -> None:
    assert position(None) == 0
    assert position("17") == 17
    with pytest.raises(Invalid) as caught:
        position(cursor)
    assert caught.value.code == "CURSOR_INVALID"


def test_etag__comes_back_as_the_version() -> None:
    assert expected_version(etag(17)) == 17
    assert expected_version(' "3" ') == 3
    with pytest.raises(ConditionRequired):
        expected_version(None)
    for tag in ("3", "*", 'W/"3"', '"3', '"a"', '"3" "4"', '"' + "1" * 19 + '"', ""):
        with pytest.raises(Invalid):
            expected_version(tag)
