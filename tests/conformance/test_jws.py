"""Signatures that others have judged: the Wycheproof cases for JSON Web Signatures."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from meshplane.gateway.token_signature import UnknownKey, check_signature
from meshplane.kit.errors import MeshplaneError

CASES = Path(__file__).resolve().parents[2].parent / "shared/conformance/jws_signatures.jsonl"

SYMMETRIC = "HS256: whoever can check such a token can also forge it"
LONGER_HASH = "one hash length, SHA-256, is supported for each kind of key"
OTHER_CURVE = "of the elliptic curves P-256 alone is supported"
# The list calls it valid. RFC 7515 section 2 knows no `?` in base64url, and HS256 it is besides.
NOT_BASE64URL = "its header holds a '?', which no base64url text does"

# Valid signatures that are refused here, each for its reason. No invalid one may be accepted.
REFUSED_ON_PURPOSE = {
    "signature/hs256/1:acceptsValid": SYMMETRIC,
    "signature/rfc7520/352:Figure35": SYMMETRIC,
    "signature/base64/359:ValidEdgeCaseMac": SYMMETRIC,
    "signature/base64/372:InvalidCharacterInsertedInHeader": NOT_BASE64URL,
    "signature/rs384/267:normalPayload": LONGER_HASH,
    "signature/rs512/268:emptyPayload": LONGER_HASH,
    "signature/rs512/271:normalPayload": LONGER_HASH,
    "signature/ps384/321:allZeroPayload": LONGER_HASH,
    "signature/ps384/322:oneBytePayload": LONGER_HASH,
    "signature/ps512/325:emptyPayload": LONGER_HASH,
    "signature/ps512/328:normalPayload": LONGER_HASH,
    "signature/rfc7520/347:Figure27": OTHER_CURVE,
    "signature/rfc7520WithKeyOps/351:Figure27": OTHER_CURVE,
}


@cache
def cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        return []
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def is_accepted(case: dict[str, Any]) -> bool:
    try:
        check_signature(case["token"], case["key"])
    except MeshplaneError:
        return False
    return True


def wanted(expected: str) -> list[dict[str, Any]]:
    found = [case for case in cases() if case["expected"] == expected]
    if not found:
        pytest.skip(f"the conformance cases are not there: {CASES.name} beside the repository")
    return found


def test_signature__an_invalid_one_is_never_accepted() -> None:
    invalid = wanted("invalid")
    assert len(invalid) > 100
    assert [case["name"] for case in invalid if is_accepted(case)] == []


def test_signature__a_valid_one_is_accepted_unless_its_algorithm_is_refused_on_purpose() -> None:
    valid = wanted("valid")
    refused = {case["name"] for case in valid if not is_accepted(case)}
    assert refused == set(REFUSED_ON_PURPOSE) & {case["name"] for case in valid}
    assert len(valid) > len(refused)


def test_signature__a_forged_one_is_refused_for_its_bytes_and_not_for_its_key() -> None:
    """Cases made by changing a signature must reach the cryptography, or they show nothing."""
    forged = [
        case
        for case in wanted("invalid")
        if {"ModifiedPadding", "ModifiedSignature"}.intersection(case["flags"])
        or "SpecialCaseEs256" in case["name"]
    ]
    assert len(forged) > 100
    for case in forged:
        with pytest.raises(MeshplaneError) as refusal:
            check_signature(case["token"], case["key"])
        assert refusal.value.code == "TOKEN_SIGNATURE", case["name"]
        assert not isinstance(refusal.value, UnknownKey), case["name"]


def test_signature__the_payload_comes_back_byte_for_byte() -> None:
    case = next(case for case in wanted("valid") if case["name"].endswith("allZeroPayload"))
    assert set(check_signature(case["token"], case["key"])) == {0}


def test_signature__a_key_set_of_all_keys_finds_the_right_one_by_its_name() -> None:
    valid = [case for case in wanted("valid") if case["name"] not in REFUSED_ON_PURPOSE]
    by_name = {case["key"]["kid"]: case["key"] for case in valid}
    key_set = {"keys": list(by_name.values())}
    for case in valid:
        if by_name[case["key"]["kid"]] == case["key"]:
            assert check_signature(case["token"], key_set) == check_signature(
                case["token"], case["key"]
            )
