"""Who counts as the same person."""

import pytest

from meshplane.boundary.actor import Actor, service_actor
from meshplane.services.subscriptions.people import is_among, same_person


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("user:sam@harbour", "user:sam@harbour"),
        ("user:Sam@Harbour", "user:sam@harbour"),
        ("user:SAM@HARBOUR", "sam@harbour"),
        ("user:ﬁona@x", "user:fiona@x"),
        ("user:\uff53am@x", "user:sam@x"),
        ("user:straße@x", "user:STRASSE@x"),
    ],
)
def test_same_person__whatever_the_spelling_of_the_subject(first: str, second: str) -> None:
    assert same_person(first, second)
    assert same_person(second, first)


@pytest.mark.parametrize("other", ["user:samuel@harbour", "user:sam@hills", "service:sam@harbour"])
def test_same_person__not_with_another_subject(other: str) -> None:
    assert not same_person("user:sam@harbour", other)


def test_among__a_service_is_the_person_in_whose_name_it_acts() -> None:
    asked = ["user:otto@maps", "user:sam@harbour"]
    assert is_among(service_actor("workflows", "user:Sam@harbour"), asked)
    assert is_among(Actor("sam@harbour", via="execution/x"), asked)
    assert not is_among(service_actor("workflows"), asked)
    assert not is_among(Actor("dora@harbour", frozenset({"sam@harbour"})), asked)
