"""The form types and asset types that every domain has from the start.

Names, forms and revisions as seen in domains of 2025 (`GlueTableAssetType` 24, `GlueTableFormType`
13, `ColumnBusinessMetadataFormType` 8, `DataQualityResultFormType` 8); the other revisions, and
members that no example of AWS shows, are assumed. Whoever calls AWS reads revisions with
`GetFormType` and `GetAssetType`.
"""

from datetime import datetime
from typing import Any

_PREFIX = "amazon.datazone."

_FORMS: dict[str, tuple[str, str]] = {
    "GlueTableFormType": (
        "13",
        """
structure GlueTableFormType {
  @required
  tableName: String
  databaseName: String
  catalogId: String
  region: String
  tableArn: String
  tableDescription: String
  sourceLocation: String
  sourceClassification: String
  compressionType: String
  columns: GlueColumns
}
list GlueColumns { member: GlueColumn }
structure GlueColumn {
  @required
  columnName: String
  dataType: String
}
""",
    ),
    "ColumnBusinessMetadataFormType": (
        "8",
        """
structure ColumnBusinessMetadataFormType { columnsBusinessMetadata: ColumnsMetadata }
list ColumnsMetadata { member: ColumnMetadata }
structure ColumnMetadata {
  @required
  columnIdentifier: String
  name: String
  description: String
  glossaryTerms: Terms
}
list Terms { member: String }
""",
    ),
    "AssetCommonDetailsFormType": (
        "6",
        """
structure AssetCommonDetailsFormType {
  summary: String
  readMe: String
  customDetails: Details
}
map Details { key: String, value: String }
""",
    ),
    "DataSourceReferenceFormType": (
        "7",
        """
structure DataSourceReferenceFormType {
  dataSourceIdentifier: String
  dataSourceType: String
  filterableDataSourceId: String
}
""",
    ),
    "SubscriptionTermsFormType": (
        "1",
        """
structure SubscriptionTermsFormType {
  approvalRequired: String
  ownerCanReadData: Boolean
}
""",
    ),
    "DataQualityResultFormType": (
        "8",
        """
structure DataQualityResultFormType {
  @required
  evaluations: Evaluations
  @required
  passingPercentage: Double
  @required
  evaluationsCount: Integer
}
list Evaluations { member: Evaluation }
structure Evaluation {
  @required
  description: String
  @required
  status: String
  types: Texts
  applicableFields: Texts
  details: Details
}
list Texts { member: String }
map Details { key: String, value: String }
""",
    ),
}
_ASSET_TYPES: dict[str, tuple[str, tuple[tuple[str, bool], ...]]] = {
    "GlueTableAssetType": (
        "24",
        (
            ("GlueTableForm", True),
            ("ColumnBusinessMetadataForm", False),
            ("AssetCommonDetailsForm", False),
            ("DataSourceReferenceForm", False),
            ("SubscriptionTermsForm", False),
        ),
    ),
}
MANAGED_ASSET_TYPES = frozenset(_PREFIX + name for name in _ASSET_TYPES)
"""Those whose access DataZone itself grants."""


def system_types(domain: str, now: datetime) -> dict[str, dict[str, Any]]:
    """The versions of each system type, by kind and name.

    Args:
        domain: its id.
        now: when it was made.
    """
    made = {"domainId": domain, "createdAt": now, "createdBy": "SYSTEM", "originDomainId": domain}
    forms = {
        _PREFIX + name: {
            **made,
            "name": _PREFIX + name,
            "revision": revision,
            "model": {"smithy": smithy.strip()},
            "status": "ENABLED",
            "_versions": {},
        }
        for name, (revision, smithy) in _FORMS.items()
    }
    assets = {
        _PREFIX + name: {
            **made,
            "name": _PREFIX + name,
            "revision": revision,
            "owningProjectId": "amazon_datazone",
            "formsOutput": {
                form: {
                    "typeName": f"{_PREFIX}{form}Type",
                    "typeRevision": _FORMS[f"{form}Type"][0],
                    "required": required,
                }
                for form, required in entries
            },
            "_versions": {},
        }
        for name, (revision, entries) in _ASSET_TYPES.items()
    }
    return {"formType": forms, "assetType": assets}
