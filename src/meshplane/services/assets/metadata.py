"""Glossary terms and filled forms on an asset's row, and the words by which they are found. Pure.

They stand on the row itself, so that one commit says and indexes them. The full text is the row's
`tags`: beside the contract's own, which `contractTags` keeps, it holds the names of terms and the
values of forms.
"""

from collections.abc import Mapping
from typing import Any

from meshplane.services.assets.api import AssetMetadata, FilledForm, FormValue

NOTHING = AssetMetadata()


def kept(item: Mapping[str, Any]) -> AssetMetadata:
    """What a row says of its asset."""
    said = item.get("metadata")
    if said is None:
        return NOTHING
    return AssetMetadata(
        terms=tuple(said["terms"]),
        columns={name: tuple(ids) for name, ids in said["columns"].items()},
        forms=tuple(
            FilledForm(
                one["formId"],
                one["name"],
                one["revision"],
                dict(one["values"]),
                tuple(one["termFields"]),
            )
            for one in said["forms"]
        ),
        names=dict(said["names"]),
        version=said["version"],
    )


def dressed(item: Mapping[str, Any], metadata: AssetMetadata) -> dict[str, Any]:
    """A row that says this, and is found by it."""
    tags = item.get("contractTags", item["tags"])
    return {
        **item,
        "metadata": {
            "terms": list(metadata.terms),
            "columns": {name: list(ids) for name, ids in metadata.columns.items()},
            "forms": [
                {
                    "formId": one.form_id,
                    "name": one.name,
                    "revision": one.revision,
                    "values": dict(one.values),
                    "termFields": list(one.term_fields),
                }
                for one in metadata.forms
            ],
            "names": dict(metadata.names),
            "version": metadata.version,
        },
        "contractTags": list(tags),
        "tags": [*tags, *words(metadata)],
    }


def words(metadata: AssetMetadata) -> list[str]:
    """The texts by which an asset is found: names of terms, and values of forms."""
    names = [metadata.names[one] for one in places(metadata)]
    values = [
        _text(value)
        for form in metadata.forms
        for name, value in form.values.items()
        if name not in form.term_fields and not isinstance(value, bool)
    ]
    return list(dict.fromkeys([*names, *values]))


def places(metadata: AssetMetadata) -> dict[str, tuple[str, ...]]:
    """Where each term stands, by its id: `asset`, `column NAME`, `form NAME.FIELD`."""
    found: dict[str, list[str]] = {}
    for term in metadata.terms:
        found.setdefault(term, []).append("asset")
    for column, terms in metadata.columns.items():
        for term in terms:
            found.setdefault(term, []).append(f"column {column}")
    for form in metadata.forms:
        for name in form.term_fields:
            if name in form.values:
                place = f"form {form.name}.{name}"
                found.setdefault(str(form.values[name]), []).append(place)
    return {term: tuple(where) for term, where in found.items()}


def term_names(metadata: AssetMetadata) -> tuple[str, ...]:
    """The names of the terms on an asset and on its columns."""
    columns = (one for terms in metadata.columns.values() for one in terms)
    return tuple(dict.fromkeys(metadata.names[one] for one in (*metadata.terms, *columns)))


def _text(value: FormValue) -> str:
    return value if isinstance(value, str) else str(value)
