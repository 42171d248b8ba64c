"""Contracts whose verdict under the Open Data Contract Standard 3.1.0 somebody else recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshplane.kit.errors import Invalid
from meshplane.services.assets.contract import parse_contract

RECORDED = Path(__file__).resolve().parents[2] / "../shared/conformance/odcs_contracts.jsonl"


def cases() -> list[dict[str, Any]]:
    if not RECORDED.exists():
        return []
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def as_yaml(document: Any) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def spoiled_place(name: str) -> str:
    """Where the case's name says that the document was spoiled."""
    what = name.split(" ", 1)[1].lstrip("-").split("=")[0]
    named = {"unknown-key": "bogusKey", "logicalType": "schema.0.properties.0.logicalType"}
    return "contract." + named.get(what, what)


def test_recorded_cases__are_there() -> None:
    if not RECORDED.exists():
        pytest.skip("the folder `shared` with the recorded cases is not beside the repository")
    assert len(cases()) > 50


@pytest.mark.parametrize("write", [json.dumps, as_yaml], ids=["json", "yaml"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_recorded_case__has_the_recorded_verdict(case: dict[str, Any], write: Any) -> None:
    text = write(case["document"])

    if case["expected"] == "valid":
        assert parse_contract(text).to_json() == case["document"]
        return
    with pytest.raises(Invalid) as caught:
        parse_contract(text)
    # Exactly what was spoiled is reported, so the rest of the document passes.
    assert [problem.field for problem in caught.value.fields] == [spoiled_place(case["name"])]
