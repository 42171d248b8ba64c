"""Conditions and places as people write and read them."""

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.permissions.schemas import NewGrant
from meshplane.services.permissions.wishes import target_of
from meshplane.services.permissions.wording import bracketed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("origin = 'JFK'", "(origin = 'JFK')"),
        ("(origin = 'JFK')", "(origin = 'JFK')"),
        ("(a) AND (b)", "((a) AND (b))"),
        ("((a) AND (b))", "((a) AND (b))"),
        ("(a = ')')", "(a = ')')"),
        ("(a = 'it''s (')", "(a = 'it''s (')"),
        ('("odd)" = 1)', '("odd)" = 1)'),
        ("(a = 1", "((a = 1)"),
    ],
)
def test_bracketed__a_condition_has_parentheses_around_it_once(condition: str, shown: str) -> None:
    assert bracketed(condition) == shown


@pytest.mark.parametrize("path", ["../other", "raw/../..", "raw//x", "/", "./raw"])
async def test_location__with_a_way_out_of_the_bucket__is_refused(path: str) -> None:
    place = {"location": {"domainId": "dzd-1", "path": path}}
    with pytest.raises(Invalid) as refused:
        await target_of(None, _wish(place).resource)  # type: ignore[arg-type] # nothing is read
    assert refused.value.code == "LOCATION_INVALID"


async def test_location__is_written_with_or_without_slashes_around_it() -> None:
    place = {"location": {"domainId": "dzd-1", "path": "/raw/2013/"}}
    target = await target_of(None, _wish(place).resource)  # type: ignore[arg-type] # as above
    assert target.path == "raw/2013"


@pytest.mark.parametrize("principal", ["florence", "project:delay-research", "user:", "role:admin"])
def test_grant__to_what_is_no_principal__says_what_to_write(principal: str) -> None:
    with pytest.raises(ValueError, match="Write user:NAME, group:NAME, project:ID"):
        _wish({"table": {"assetId": "asset-1"}}, principal)


def _wish(resource: dict[str, object], principal: str = "user:ada@mesh") -> NewGrant:
    return NewGrant.model_validate(
        {
            "principal": principal,
            "resource": resource,
            "permissions": ["SELECT"],
            "reason": "For a test.",
        }
    )
