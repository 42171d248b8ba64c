"""The data products of the sample: what their contracts say about columns and meaning."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("flights", "planes", "airlines", "airports", "weather", "delays_by_carrier")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `type` is the Iceberg type's name (`int`, `timestamptz`)."""

    name: str
    type: str
    required: bool
    doc: str
    classification: str


@dataclass(frozen=True, slots=True)
class Product:
    """A data product as its contract (Open Data Contract Standard 3.1.0) describes it.

    `contract` is the YAML text as it is published.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    contract: str

    def column_classifications(self, above: str = "public") -> dict[str, str]:
        """The columns whose classification is another than `above`."""
        return {c.name: c.classification for c in self.columns if c.classification != above}


def _column(entry: dict[str, Any]) -> Column:
    return Column(
        name=entry["name"],
        type=entry["physicalType"],
        required=bool(entry.get("required", False)),
        doc=entry["description"],
        classification=entry["classification"],
    )


@cache
def product(name: str) -> Product:
    """The product of that name, read from its contract.

    Args:
        name: one of `NAMES`.
    """
    import yaml

    text = files("meshplane.sample").joinpath("contracts", f"{name}.yaml").read_text("utf-8")
    contract = yaml.safe_load(text)
    entries = contract["schema"][0]["properties"]
    return Product(
        name=name,
        description=contract["description"]["purpose"],
        columns=tuple(_column(entry) for entry in entries),
        partition_by=tuple(entry["name"] for entry in entries if entry.get("partitioned")),
        contract=text,
    )
