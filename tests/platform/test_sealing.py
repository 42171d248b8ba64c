"""Secrets in rows: sealed with a key that lies elsewhere, and bound to their row."""

import secrets
from collections.abc import Mapping

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.platform.sealing import KEY_BYTES, KeySeal, NoSeal

OLD, NEW = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)


async def nothing_new() -> Mapping[str, bytes]:
    return {"new": NEW}


async def test_sealed_text__opens_with_its_key_and_shows_nothing() -> None:
    seal = KeySeal({"new": NEW}, nothing_new)
    for text in ("whsec_abc", "", "ä€😀" * 1000):
        stored = seal.close(text, "webhook\nr\nt")
        assert await seal.open(stored, "webhook\nr\nt") == text
        assert not text or text not in stored


def test_sealed_text__sealed_again__looks_otherwise() -> None:
    seal = KeySeal({"new": NEW}, nothing_new)
    assert seal.close("whsec_abc", "a") != seal.close("whsec_abc", "a")


async def test_sealed_text__put_into_another_row__does_not_open() -> None:
    seal = KeySeal({"new": NEW}, nothing_new)
    stored = seal.close("whsec_abc", "webhook\nmine\nt")
    with pytest.raises(Unavailable) as refused:
        await seal.open(stored, "webhook\nyours\nt")
    assert refused.value.code == "SEAL_UNKNOWN"


async def test_sealed_text__after_its_key_was_renewed__still_opens() -> None:
    stored = KeySeal({"old": OLD}, nothing_new).close("whsec_abc", "a")
    both = KeySeal({"new": NEW, "old": OLD}, nothing_new)
    assert await both.open(stored, "a") == "whsec_abc"
    assert both.close("x", "a").startswith("sealed:1:new:")


async def test_sealed_text__by_another_process_with_a_newer_key__is_opened_after_a_look() -> None:
    looked: list[int] = []

    async def look() -> Mapping[str, bytes]:
        looked.append(1)
        return {"new": NEW, "old": OLD}

    stored = KeySeal({"new": NEW}, nothing_new).close("whsec_abc", "a")
    here = KeySeal({"old": OLD}, look)
    assert [await here.open(stored, "a") for _ in range(2)] == ["whsec_abc"] * 2
    assert looked == [1]


async def test_sealed_text__whose_key_is_gone__says_so() -> None:
    stored = KeySeal({"old": OLD}, nothing_new).close("whsec_abc", "a")
    for seal in (KeySeal({"new": NEW}, nothing_new), NoSeal()):
        with pytest.raises(Unavailable) as refused:
            await seal.open(stored, "a")
        assert refused.value.code == "SEAL_UNKNOWN"
        assert "whsec" not in refused.value.message


async def test_text__stored_before_there_was_a_seal__is_taken_as_it_is() -> None:
    seal = KeySeal({"new": NEW}, nothing_new)
    assert await seal.open("whsec_abc", "a") == "whsec_abc"
    assert seal.is_open("whsec_abc")
    assert not seal.is_open(seal.close("whsec_abc", "a"))


async def test_no_seal__leaves_texts_as_they_are() -> None:
    seal = NoSeal()
    assert await seal.open(seal.close("whsec_abc", "a"), "a") == "whsec_abc"
    assert not seal.is_open("whsec_abc")
