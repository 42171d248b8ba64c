"""A domain of DataZone in a sandbox, with two projects and a listed asset, by plain boto3."""

import json
from dataclasses import dataclass
from typing import Any

from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of

GLUE_TYPE = "amazon.datazone.GlueTableAssetType"
GLUE_FORM = "amazon.datazone.GlueTableFormType"
PRODUCT_MODEL = "structure Product { @required owner: String  level: Integer }"


@dataclass
class DataZoneDomain:
    """A domain that is AVAILABLE, and who acts in it.

    Args:
        domain: its id.
        root: its root unit.
        admin: boto3's client of whoever made it, the account itself.
        publisher, reader: clients of two roles that own a project each, and nothing else.
        publishing, reading: the ids of these projects.
    """

    domain: str
    root: str
    admin: Any
    publisher: Any
    reader: Any
    publishing: str
    reading: str

    def asset(self, name: str, client: Any = None, **more: Any) -> dict[str, Any]:
        """A new Glue table in the publisher's inventory."""
        said: dict[str, Any] = {
            "domainIdentifier": self.domain,
            "name": name,
            "typeIdentifier": GLUE_TYPE,
            "owningProjectIdentifier": self.publishing,
            "formsInput": [glue_form(name)],
        }
        answer: dict[str, Any] = (client or self.publisher).create_asset(**{**said, **more})
        return answer

    def listing(self, asset_id: str, action: str = "PUBLISH", **more: Any) -> dict[str, Any]:
        """Publishes an asset and waits for its listing; or takes it out of the catalogue."""
        change = self.publisher.create_listing_change_set(
            domainIdentifier=self.domain,
            entityIdentifier=asset_id,
            entityType="ASSET",
            action=action,
            **more,
        )
        named = {"domainIdentifier": self.domain, "identifier": change["listingId"]}
        listing: dict[str, Any] = self.publisher.get_listing(**named)
        while listing["status"] == "CREATING":
            listing = self.publisher.get_listing(**named)
        return listing

    def request(self, listing_id: str, **more: Any) -> dict[str, Any]:
        """Asks for a listing, in the name of the reading project."""
        said: dict[str, Any] = {
            "domainIdentifier": self.domain,
            "subscribedListings": [{"identifier": listing_id}],
            "subscribedPrincipals": [{"project": {"identifier": self.reading}}],
            "requestReason": "to count flights",
        }
        answer: dict[str, Any] = self.reader.create_subscription_request(**{**said, **more})
        return answer


def glue_form(table: str, **more: Any) -> dict[str, Any]:
    """The form that every Glue table needs, of two columns."""
    columns = [
        {"columnName": "flight", "dataType": "string"},
        {"columnName": "delay", "dataType": "int"},
    ]
    content = {"tableName": table, "databaseName": "aviation", "columns": columns}
    return {
        "formName": "GlueTableForm",
        "typeIdentifier": GLUE_FORM,
        "content": json.dumps(content),
        **more,
    }


def datazone_domain(sandbox: AwsSandbox, name: str = "mesh") -> DataZoneDomain:
    """Makes the domain, the roles and their projects."""
    account = sandbox.accounts[0]
    admin = aws_of(sandbox).client("datazone")
    made = admin.create_domain(
        name=name, domainExecutionRole=f"arn:aws:iam::{account}:role/execution"
    )
    domain = made["id"]
    while admin.get_domain(identifier=domain)["status"] != "AVAILABLE":
        pass
    clients, projects = [], []
    for role in ("publisher", "reader"):
        arn = f"arn:aws:iam::{account}:role/{role}"
        client = aws_as(sandbox, arn).client("datazone")
        admin.create_user_profile(domainIdentifier=domain, userIdentifier=arn, userType="IAM_ROLE")
        projects.append(client.create_project(domainIdentifier=domain, name=f"{role} project"))
        clients.append(client)
    return DataZoneDomain(
        domain,
        made["rootDomainUnitId"],
        admin,
        clients[0],
        clients[1],
        projects[0]["id"],
        projects[1]["id"],
    )
