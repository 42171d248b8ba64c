"""Whose tokens a mesh takes beside its own, as the settings say it."""

from pathlib import Path

import httpx
import pytest

from meshplane.gateway.token_claims import TrustedIssuer
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Invalid
from meshplane.kit.ids import id_maker
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.run.people import issuers_of_people
from meshplane.run.settings import read_settings

POOL = "eu-central-1_Ab12Cd34E"


async def issuers(folder: Path, **settings: str) -> list[TrustedIssuer]:
    """Those of a mesh that calls no AWS."""
    clock = SystemClock()
    store = SqliteStore(folder / "m.db", [CONFIGURATION_CACHE], clock, id_maker(clock))
    async with httpx.AsyncClient() as client:
        found = await issuers_of_people(
            read_settings(**settings), None, store, clock, lambda: client
        )
    await store.close()
    return found


async def test_no_pool__only_the_meshs_own_issuer(tmp_path: Path) -> None:
    assert await issuers(tmp_path) == []


async def test_pool_that_is_named__needs_no_other_part_of_aws(tmp_path: Path) -> None:
    (found,) = await issuers(tmp_path, aws_cognito_pool=POOL, aws_cognito_clients="portal, nightly")
    assert found.issuer == f"https://cognito-idp.eu-central-1.amazonaws.com/{POOL}"
    assert found.client_ids == {"portal", "nightly"}
    assert (found.takes_id_tokens, found.subject_claim) == (False, "sub")
    assert not found.may_name_services


async def test_pool__as_the_settings_want_it(tmp_path: Path) -> None:
    (found,) = await issuers(
        tmp_path,
        aws_cognito_pool=POOL,
        aws_cognito_clients="portal",
        aws_cognito_id_tokens="true",
        aws_cognito_names="true",
    )
    assert (found.takes_id_tokens, found.subject_claim) == (True, "username")


async def test_pool__without_its_clients__is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        await issuers(tmp_path, aws_cognito_pool=POOL)
    assert refused.value.fields[0].field == "aws_cognito_clients"
