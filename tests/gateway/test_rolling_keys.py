"""Signing keys that are renewed while processes run: no token is refused meanwhile."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer, new_key_pem
from meshplane.gateway.rolling_keys import RollingKeys
from meshplane.kit.errors import Invalid, Unauthenticated, Unavailable
from tests.builders.manual_clock import ManualClock

URL = "https://mesh.example.org"
OLD, NEW = new_key_pem(), new_key_pem()


class Process:
    """A process of the mesh, and where its keys lie."""

    def __init__(self, kept: list[str], clock: ManualClock) -> None:
        self.looks = 0
        self.is_down = False

        async def reload() -> Sequence[str]:
            self.looks += 1
            if self.is_down:
                raise Unavailable("AWS_UNAVAILABLE", "down")
            return list(kept)

        self.keys = RollingKeys(kept, reload, clock, where="The secret k")
        self.issuer = EmbeddedIssuer(self.keys, URL, "meshplane", clock)
        self.verifier = TokenVerifier([self.issuer.trusted()], clock)

    def token(self) -> str:
        return f"Bearer {self.issuer.mint('ada', ('pilots',))}"

    async def takes(self, token: str) -> bool:
        try:
            return (await self.verifier.authenticate(token)).subject == "ada"
        except Unauthenticated:
            return False


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


async def test_renewed__tokens_of_either_key_hold_everywhere(clock: ManualClock) -> None:
    kept = [OLD]
    here, there = Process(kept, clock), Process(kept, clock)
    earlier = here.token()
    clock.advance(60)
    kept.insert(0, NEW)
    await here.keys.refresh()
    later = here.token()
    # The other process learns of the new key by the token itself.
    assert [await there.takes(each) for each in (earlier, later)] == [True, True]
    assert there.looks == 1
    assert len(here.issuer.jwks()["keys"]) == 2
    assert there.token() != later


async def test_withdrawn__its_tokens_are_refused_after_the_next_look(clock: ManualClock) -> None:
    kept = [NEW, OLD]
    here = Process(kept, clock)
    old = Process([OLD], clock)
    assert await here.takes(old.token())
    del kept[1]
    clock.advance(60)
    await here.verifier.refresh_keys()
    assert not await here.takes(old.token())
    assert await here.takes(here.token())


async def test_unknown_keys__however_many__cost_one_look_in_half_a_minute(
    clock: ManualClock,
) -> None:
    here, stranger = Process([OLD], clock), Process([NEW], clock)
    clock.advance(60)
    assert [await here.takes(stranger.token()) for _ in range(5)] == [False] * 5
    assert here.looks == 1


async def test_keys_that_cannot_be_read_now__the_known_ones_serve(clock: ManualClock) -> None:
    here = Process([OLD], clock)
    here.is_down = True
    clock.advance(60)
    await here.verifier.refresh_keys()
    assert (here.looks, await here.takes(here.token())) == (1, True)


def test_key__that_is_none__names_where_it_was_kept(clock: ManualClock) -> None:
    with pytest.raises(Invalid) as refused:
        Process(["nonsense"], clock)
    assert refused.value.code == "ISSUER_KEY_DAMAGED"
    assert refused.value.message.startswith("The secret k holds no RSA private key")
    assert "nonsense" not in refused.value.message


def test_keys__shown_to_people__show_names_alone(clock: ManualClock) -> None:
    assert "PRIVATE" not in repr(Process([OLD], clock).keys)
