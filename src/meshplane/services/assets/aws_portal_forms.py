"""A data product as DataZone's forms say it. Pure.

Of the system's forms only those members are used that AWS's examples show: columns in
`GlueTableForm` have a name and a type and no description, which has a form of its own.
"""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.platform.aws.place import AwsPlace
from meshplane.services.assets.ports import Product

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
        COLUMNS_FORM[0]: {
            "columnsBusinessMetadata": [
                {"columnIdentifier": name, "description": said[_COLUMN + name]}
                for name in columns
                if said.get(_COLUMN + name)
            ]
        },
    }
    return [
        {"formName": name, "content": json.dumps(content, ensure_ascii=False)}
        for name, content in contents.items()
    ]


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
    said.update({_COLUMN + one["columnIdentifier"]: one.get("description", "") for one in told})
    return said
