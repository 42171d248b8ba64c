"""The secrets of a mesh: in its home, or in Secrets Manager and not in its home."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.gateway.identity import TokenVerifier
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import MASK_KEY_SECRET, SECRETS
from meshplane.platform.aws.secrets import Secrets
from meshplane.run.aws_secrets import roll
from meshplane.run.home import Home
from meshplane.run.kept_secrets import kept_secrets
from meshplane.run.known_secrets import KeptSecrets
from meshplane.run.links import issuer
from meshplane.run.settings import Settings, read_settings
from tests.builders.dynamodb_place import aws_of

WHERE = {"aws_region": "eu-central-1", "aws_account": "111122223333"}
_numbers = itertools.count(1)


@pytest.fixture
def aws() -> Iterator[Aws]:
    """AWS under a prefix that nobody else uses."""
    made = aws_of(f"kept{next(_numbers)}-")
    yield made
    made.close()


def settings_of(folder: Path, parts: str) -> Settings:
    return read_settings(home=folder, aws_parts=parts, **(WHERE if parts else {}))


def kept(folder: Path, aws: Aws | None) -> KeptSecrets:
    """The secrets of a home; in Secrets Manager where there is AWS."""
    home = Home(folder)
    home.prepare()
    return kept_secrets(settings_of(folder, "secrets" if aws else ""), home, aws, SystemClock())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_secrets__of_one_machine__lie_in_its_home(tmp_path: Path) -> None:
    found = kept(tmp_path, None)
    found.issuer_keys()
    assert files(tmp_path) == ["issuer.pem", "mask.key"]
    assert found.seal.close("text", "a") == "text"


def test_secrets__in_secrets_manager__leave_no_file_and_are_the_same_for_every_process(
    tmp_path: Path, aws: Aws
) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: kept(tmp_path / name, aws), "abcd"))
    assert files(tmp_path) == []
    assert len({one.mask_key for one in found}) == 1
    assert len({str(one.issuer_keys().jwks()) for one in found}) == 1
    listed = aws.run("secretsmanager", "list_secrets")["SecretList"]
    names = {one["Name"] for one in listed if one["Name"].startswith(aws.place.prefix)}
    assert names == {f"{aws.place.prefix}{name}" for name in SECRETS}


async def test_seal__of_one_process__another_opens(tmp_path: Path, aws: Aws) -> None:
    here, there = (kept(tmp_path / name, aws).seal for name in "ab")
    assert await there.open(here.close("whsec_abc", "row"), "row") == "whsec_abc"


def test_home__that_had_secrets__hands_them_over_and_keeps_none(tmp_path: Path, aws: Aws) -> None:
    before = kept(tmp_path, None)
    signed = before.issuer_keys().jwks()
    after = kept(tmp_path, aws)
    assert after.mask_key == before.mask_key
    assert after.issuer_keys().jwks() == signed
    assert files(tmp_path) == []
    assert kept(tmp_path / "other", aws).mask_key == before.mask_key


@pytest.mark.parametrize("name", ["mask.key", "issuer.pem"])
def test_home__with_other_secrets_than_the_mesh__is_refused_and_loses_none(
    tmp_path: Path, aws: Aws, name: str
) -> None:
    kept(tmp_path / "mesh", aws)
    own = kept(tmp_path / "own", None)
    own.issuer_keys()
    keys = tmp_path / "own" / "keys"
    (other,) = {"mask.key", "issuer.pem"} - {name}
    (keys / other).unlink()
    with pytest.raises(Conflict) as refused:
        kept(tmp_path / "own", aws)
    assert refused.value.code == "SECRETS_DIFFER"
    assert name in refused.value.message
    assert (keys / name).is_file()


def test_mask_key__that_somebody_overwrote__is_named(tmp_path: Path, aws: Aws) -> None:
    kept(tmp_path, aws)
    aws.run(
        "secretsmanager",
        "put_secret_value",
        SecretId=f"{aws.place.prefix}{MASK_KEY_SECRET}",
        SecretString="short",
    )
    with pytest.raises(Invalid) as refused:
        kept(tmp_path, aws)
    assert refused.value.code == "SECRET_DAMAGED"


async def test_roll__renews_the_issuer_and_the_seal__never_the_mask_key(
    tmp_path: Path, aws: Aws
) -> None:
    before = kept(tmp_path, aws)
    sealed = before.seal.close("whsec_abc", "row")
    old = issuer(settings_of(tmp_path, ""), keys=before.issuer_keys()).mint("ada", ())
    rolled = await roll(aws, SystemClock())
    after = kept(tmp_path, aws)
    assert MASK_KEY_SECRET not in rolled
    assert set(rolled) | {MASK_KEY_SECRET} == set(SECRETS)
    assert after.mask_key == before.mask_key
    assert await after.seal.open(sealed, "row") == "whsec_abc"
    assert await before.seal.open(after.seal.close("new", "row"), "row") == "new"
    signing = issuer(settings_of(tmp_path, ""), keys=after.issuer_keys())
    verifier = TokenVerifier([signing.trusted()], SystemClock())
    for token in (old, signing.mint("ada", ())):
        assert (await verifier.authenticate(f"Bearer {token}")).subject == "ada"
    assert len(signing.jwks()["keys"]) == 2
    tags = aws.run(
        "secretsmanager", "describe_secret", SecretId=f"{aws.place.prefix}{rolled[0]}"
    ).get("Tags", [])
    assert {"Key": "ManagedBy", "Value": "ManagementApp"} in tags
    assert await Secrets(aws).get(MASK_KEY_SECRET) is not None
