"""A data product as DataZone's forms say it. Pure.

Of the system's forms only those members are used that AWS's examples show: columns in
`GlueTableForm` have a name and a type and no description, which has a form of its own.

Needs AWS: that a column's terms stand in `ColumnBusinessMetadataForm` as `glossaryTerms`.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from meshplane.platform.aws.place import AwsPlace
from meshplane.services.assets.ports import FORM, ON, TERM, TERMS_OF, Product

PRODUCT_FORM = "MeshplaneProduct"
TABLE_FORM = ("GlueTableForm", "amazon.datazone.GlueTableFormType")
COLUMNS_FORM = ("ColumnBusinessMetadataForm", "amazon.datazone.ColumnBusinessMetadataFormType")
OWN_FORMS = frozenset({PRODUCT_FORM, TABLE_FORM[0], COLUMNS_FORM[0]})
"""The forms that the mesh writes; others on an asset are other people's."""

PRODUCT_MODEL = """\
structure MeshplaneProduct {
  @required
  assetId: String
  owner: String
  classification: String
  contractVersion: String
  domain: String
  project: String
}
"""
_FACTS = ("owner", "classification", "contractVersion", "domain", "project")
_COLUMN = "column "


def _columns_form(said: Mapping[str, str], columns: Iterable[str]) -> dict[str, Any]:
    told = []
    for name in columns:
        entry: dict[str, Any] = {"columnIdentifier": name}
        if said.get(_COLUMN + name):
            entry["description"] = said[_COLUMN + name]
        if said.get(TERMS_OF + name):
            entry["glossaryTerms"] = json.loads(said[TERMS_OF + name])
        if len(entry) > 1:
            told.append(entry)
    return {"columnsBusinessMetadata": told}


def forms_of(place: AwsPlace, product: Product) -> list[dict[str, str]]:
    """The forms of a product, as `create_asset` takes them.

    Args:
        place: where its Glue table is.
        product: to be shown.
    """
    said = product.said
    columns = json.loads(said["columns"])
    table = f"{place.region}:{place.account}:table/{product.database}/{product.table}"
    contents: dict[str, dict[str, Any]] = {
        PRODUCT_FORM: {
            "assetId": product.own_id,
            **{name: said[name] for name in _FACTS if said.get(name)},
        },
        TABLE_FORM[0]: {
            "tableName": product.table,
            "databaseName": product.database,
            "catalogId": place.account,
            "region": place.region,
            "tableArn": f"arn:aws:glue:{table}",
            "columns": [{"columnName": name, "dataType": columns[name]} for name in columns],
        },
        COLUMNS_FORM[0]: _columns_form(said, columns),
    }
    filled = {
        name.removeprefix(FORM): json.loads(text)
        for name, text in said.items()
        if name.startswith(FORM) and text
    }
    return [
        *(
            {"formName": name, "content": json.dumps(content, ensure_ascii=False)}
            for name, content in contents.items()
        ),
        *(
            {
                "formName": name,
                "typeIdentifier": name,
                "typeRevision": form["revision"],
                "content": json.dumps(form["content"], ensure_ascii=False),
            }
            for name, form in filled.items()
        ),
    ]


def terms_of(product: Product, there: Iterable[str] = ()) -> list[str]:
    """The ids of terms on a product: ours, and those of others.

    Args:
        product: to be shown.
        there: on it now.
    """
    said = product.said
    ours = [name.removeprefix(TERM) for name in said if name.startswith(TERM) and said[name]]
    theirs = [one for one in there if TERM + one not in said]
    return list(dict.fromkeys([*ours, *theirs]))


def is_said(product: Product, form: str) -> bool:
    """Whether the mesh says what a form of that name holds, or that there is none."""
    return form in OWN_FORMS or FORM + form in product.said


def said_in(asset: Mapping[str, Any]) -> dict[str, str]:
    """What an asset of DataZone says, by the fields of `Product.said`."""
    forms = {one["formName"]: json.loads(one["content"]) for one in asset["formsOutput"]}
    product = forms.get(PRODUCT_FORM, {})
    columns = forms.get(TABLE_FORM[0], {}).get("columns", [])
    told = forms.get(COLUMNS_FORM[0], {}).get("columnsBusinessMetadata", [])
    types = {one["columnName"]: one.get("dataType", "") for one in columns}
    said = {
        "name": asset["name"],
        "description": asset.get("description", ""),
        "columns": json.dumps(types),
        **{name: product.get(name, "") for name in _FACTS},
    }
    for one in told:
        said[_COLUMN + one["columnIdentifier"]] = one.get("description", "")
        if one.get("glossaryTerms"):
            said[TERMS_OF + one["columnIdentifier"]] = json.dumps(one["glossaryTerms"])
    said.update({TERM + one: ON for one in asset.get("glossaryTerms") or ()})
    for one in asset["formsOutput"]:
        if one["formName"] not in OWN_FORMS:
            said[FORM + one["formName"]] = json.dumps(
                {"revision": one["typeRevision"], "content": forms[one["formName"]]},
                sort_keys=True,
                ensure_ascii=False,
            )
    return said
