"""Keys of an external issuer, asked for over HTTP from a small issuer on this machine."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from meshplane.gateway.identity import TokenVerifier, TrustedIssuer
from meshplane.gateway.issuer import DISCOVERY_PATH, KEYS_PATH, EmbeddedIssuer, IssuerKeys
from meshplane.gateway.token_remote_keys import RemoteKeys
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Invalid, Unauthenticated

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.anyio


@dataclass
class Site:
    """What the issuer's server answers, and what it was asked."""

    documents: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    was_asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def asked_for_keys(self) -> int:
        return self.asked.count(KEYS_PATH)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    found.may_answer.set()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.was_asked.set()
            found.may_answer.wait(10)
            document = found.documents.get(self.path, {})
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            try:
                self.send_response(found.status)
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the asker has gone away

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.may_answer.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # It follows redirects on its own; the key source has to forbid it.
    async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as opened:
        yield opened


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def publish(site: Site, clock: FixedClock) -> EmbeddedIssuer:
    """Gives the site a new key and the documents for it."""
    keys = IssuerKeys(rsa.generate_private_key(65537, 2048))
    issuer = EmbeddedIssuer(keys, site.url, "meshplane", clock)
    site.documents = {DISCOVERY_PATH: issuer.discovery(), KEYS_PATH: issuer.jwks()}
    return issuer


def verifier_of(keys: RemoteKeys, site: Site, clock: FixedClock) -> TokenVerifier:
    trusted = TrustedIssuer(site.url, keys, frozenset({"meshplane"}))
    return TokenVerifier([trusted], clock)


def bearer(issuer: EmbeddedIssuer) -> str:
    return "Bearer " + issuer.mint("alice", [], lifetime_seconds=24 * 3600)


async def code_of(verifier: TokenVerifier, header: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.authenticate(header)
    return refusal.value.code


async def test_first_token__has_the_keys_fetched(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    with pytest.raises(Unauthenticated):
        verifier.verify(header)
    assert site.asked == []
    assert (await verifier.authenticate(header)).subject == "alice"
    assert verifier.verify(header).subject == "alice"
    assert site.asked == [DISCOVERY_PATH, KEYS_PATH]


async def test_first_tokens__that_come_at_once_share_one_fetch(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    issuer = publish(site, clock)
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    found = await asyncio.gather(*(verifier.authenticate(bearer(issuer)) for _ in range(20)))
    assert {identity.subject for identity in found} == {"alice"}
    assert site.asked_for_keys() == 1


async def test_flood_of_unknown_keys__asks_at_most_once_in_30_seconds(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    publish(site, clock)
    strangers = EmbeddedIssuer(
        IssuerKeys(rsa.generate_private_key(65537, 2048)), site.url, "meshplane", clock
    )
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    for seconds in range(60):  # 0 … 59 s
        for _ in range(5):
            assert await code_of(verifier, bearer(strangers)) == "TOKEN_SIGNATURE"
        assert site.asked_for_keys() == (1 if seconds < 30 else 2)
        clock.advance(1)


async def test_new_key__is_found_and_the_withdrawn_one_forgotten(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    old = bearer(publish(site, clock))
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    await verifier.authenticate(old)
    new = bearer(publish(site, clock))
    assert await code_of(verifier, new) == "TOKEN_SIGNATURE"  # asked a moment ago
    clock.advance(30)
    assert (await verifier.authenticate(new)).subject == "alice"
    assert await code_of(verifier, old) == "TOKEN_SIGNATURE"


async def test_same_keys_again__leave_verified_tokens_remembered(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    first = await verifier.authenticate(header)
    clock.advance(30)
    assert await verifier.refresh_keys()
    assert site.asked_for_keys() == 2
    assert verifier.verify(header) is first


@pytest.mark.fault
async def test_issuer_down__its_keys_serve_up_to_their_age_limit(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    issuer = publish(site, clock)
    keys = RemoteKeys(site.url, client, clock, age_limit_seconds=600)
    verifier = verifier_of(keys, site, clock)
    known = bearer(issuer)
    await verifier.authenticate(known)
    site.status = 503
    clock.advance(600)
    await verifier.refresh_keys()
    assert verifier.verify(known).subject == "alice"
    assert verifier.verify(bearer(issuer)).subject == "alice"
    clock.advance(1)
    assert await code_of(verifier, known) == "TOKEN_SIGNATURE"
    site.status = 200
    clock.advance(30)
    assert (await verifier.authenticate(known)).subject == "alice"


@pytest.mark.fault
async def test_issuer_that_does_not_answer__is_waited_for_no_longer_than_the_timeout(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    site.may_answer.clear()
    keys = RemoteKeys(site.url, client, clock, timeout_seconds=0.1)
    async with asyncio.timeout(5):
        assert await code_of(verifier_of(keys, site, clock), header) == "TOKEN_SIGNATURE"


async def test_caller_that_goes_away__does_not_stop_the_fetch(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    site.may_answer.clear()
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    impatient = asyncio.create_task(verifier.authenticate(header))
    assert await asyncio.to_thread(site.was_asked.wait, 10)
    impatient.cancel()
    patient = asyncio.create_task(verifier.authenticate(header))
    await asyncio.sleep(0.01)
    site.may_answer.set()
    assert (await patient).subject == "alice"
    assert site.asked_for_keys() == 1


async def test_redirect__is_not_followed(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    site.documents["/elsewhere"] = site.documents[DISCOVERY_PATH]
    site.status = 302
    site.headers = {"Location": site.url + "/elsewhere"}
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    assert await code_of(verifier, header) == "TOKEN_SIGNATURE"
    assert site.asked == [DISCOVERY_PATH]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (DISCOVERY_PATH, {"issuer": "https://other.example"}),
        (DISCOVERY_PATH, {"jwks_uri": None}),
        (DISCOVERY_PATH, {"jwks_uri": "http://keys.example/jwks"}),
        (DISCOVERY_PATH, {"jwks_uri": "file:///etc/passwd"}),
        (DISCOVERY_PATH, {"jwks_uri": "https://user:word@keys.example/jwks"}),
        (DISCOVERY_PATH, {"jwks_uri": "http://127.0.0.1:99999/jwks"}),
        (DISCOVERY_PATH, b"<html>"),
        (DISCOVERY_PATH, b"[]"),
        (KEYS_PATH, b"[" * 5000),
        (KEYS_PATH, b" " * 300_000),
        (KEYS_PATH, {"keys": []}),
        (KEYS_PATH, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}),
    ],
)
async def test_document__that_is_not_as_it_should_be_brings_no_keys(
    site: Site, client: httpx.AsyncClient, clock: FixedClock, path: str, document: Any
) -> None:
    header = bearer(publish(site, clock))
    changed = document if isinstance(document, bytes) else site.documents[path] | document
    site.documents[path] = changed
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    assert await code_of(verifier, header) == "TOKEN_SIGNATURE"


async def test_document__that_is_compressed_is_refused_before_it_swells(
    site: Site, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    header = bearer(publish(site, clock))
    site.headers = {"Content-Encoding": "gzip"}
    verifier = verifier_of(RemoteKeys(site.url, client, clock), site, clock)
    assert await code_of(verifier, header) == "TOKEN_SIGNATURE"


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://login.example", "ftp://localhost", "https://", "https://u@login.example"),
        *("https://login.example#x", "http://localhost.evil.example", "http://127.0.0.1.nip.io"),
        *("http://[::1", "https://login.example:0"),
    ],
)
async def test_issuer__over_an_unsafe_road_is_refused(
    client: httpx.AsyncClient, clock: FixedClock, url: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        RemoteKeys(url, client, clock)
    assert refusal.value.code == "ISSUER_URL"


@pytest.mark.parametrize("url", ["https://login.example", "http://localhost:1", "http://[::1]:1"])
async def test_issuer__over_https_or_on_this_machine_is_taken(
    client: httpx.AsyncClient, clock: FixedClock, url: str
) -> None:
    assert RemoteKeys(url, client, clock).is_refresh_due(NOW.timestamp())
