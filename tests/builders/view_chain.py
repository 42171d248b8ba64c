"""Views over views over a table, each of another project, with who may read and pass on what."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.builders.small_mesh import SmallMesh

MODES = ("reader", "owner")
NONE, PLAIN, OPTION = "none", "plain", "option"
Right = tuple[str, str]
"""A project's short name, and an asset's name."""


@dataclass
class Chain:
    """Projects `one`, `two` and `three` make views, `last` reads them; all begin with all rights.

    The table is `readings` of the project tides. A view is named by the modes of what it is made
    of, from the lowest: `v_reader_owner` is of `two`, runs as its owner, and lies over
    `v_reader` of `one`, which runs as its reader.
    """

    mesh: SmallMesh
    projects: dict[str, str] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    rights: dict[Right, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("one", "two", "three", "last"):
            made = {
                "domainId": self.mesh.hills,
                "name": f"chain-{name}",
                "members": [{"principal": "user:otto@maps", "role": "owner"}],
            }
            self.projects[name] = self.mesh.ask("administrator", "POST", "/projects", made)[
                "projectId"
            ]
        self.assets["readings"] = self.mesh.readings
        for name in self.projects:
            self.give(name, "readings", OPTION)
        for depth, owner in enumerate(("one", "two", "three"), 1):
            for modes in itertools.product(MODES, repeat=depth):
                self.new_view(owner, modes)
                above = list(self.projects)[depth:]
                for name in above:
                    self.give(name, view_name(modes), OPTION)

    def new_view(self, owner: str, modes: tuple[str, ...]) -> None:
        """Makes and publishes the view of those modes."""
        name, below = view_name(modes), view_name(modes[:-1])
        domain = "harbour" if len(modes) == 1 else "hills"
        body = {
            "projectId": self.projects[owner],
            "name": name,
            "sql": f"SELECT station, level FROM {domain}.{below}",
            "runsAs": modes[-1],
        }
        made = self.mesh.ask("other", "POST", "/query/views", body)
        self.assets[name] = self.publish(self.projects[owner], name, made["tableId"])

    def publish(self, project_id: str, name: str, table_id: str) -> str:
        """The id of the asset that a view's table becomes."""
        properties = [
            {"name": "station", "logicalType": "string", "physicalType": "string"},
            {"name": "level", "logicalType": "integer", "physicalType": "long"},
        ]
        contract = {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": f"contract-{name}",
            "name": name,
            "version": "1.0.0",
            "status": "active",
            "schema": [
                {
                    "name": name,
                    "physicalType": "table",
                    "logicalType": "object",
                    "properties": properties,
                }
            ],
        }
        body = {
            "projectId": project_id,
            "tableId": table_id,
            "name": name,
            "description": "A view.",
            "classification": "internal",
            "contract": orjson.dumps(contract).decode(),
        }
        return str(self.mesh.ask("other", "POST", "/assets", body)["assetId"])

    def give(self, project: str, asset: str, right: str) -> None:
        """Brings a project's right on an asset to what is wanted."""
        now = self.rights.get((project, asset), NONE)
        role = "steward" if asset == "readings" else "administrator"
        on = {
            "principal": f"project:{self.projects[project]}",
            "resource": {"table": {"assetId": self.assets[asset]}},
        }
        if right == now:
            return
        if right == NONE or (right == PLAIN and now == OPTION):
            only = {"grantOptionOnly": True} if right == PLAIN else {}
            body = {**on, "permissions": ["SELECT"], **only}
            self.mesh.ask(role, "POST", "/permissions/revoke", body)
        else:
            option = {"permissionsWithGrantOption": ["SELECT"]} if right == OPTION else {}
            body = {**on, "permissions": ["SELECT"], "reason": "For the chain.", **option}
            self.mesh.ask(role, "POST", "/permissions/grant", body)
        self.rights[project, asset] = right

    def read(self, modes: tuple[str, ...]) -> Any:
        """The rows that `last` counts in a view, or the code of the refusal."""
        sql = f"SELECT count(*) FROM hills.{view_name(modes)}"
        body = {"sql": sql, "projectId": self.projects["last"]}
        answer = self.mesh.clients["other"].post("/api/v1/query", json=body)
        told = answer.json()
        return told["rows"][0][0] if answer.is_success else told["code"]

    def expected(self, modes: tuple[str, ...], rows: int) -> Any:
        """What `read` must give, from the rule alone: who reads at each level, and whether to
        show it to somebody else.
        """
        makers = ("one", "two", "three")
        reader, passes_on = "last", False
        for depth in range(len(modes), 0, -1):
            refusal = self._refusal(reader, passes_on, view_name(modes[:depth]))
            if refusal:
                return refusal
            if modes[depth - 1] == "owner":
                reader, passes_on = makers[depth - 1], True
        return self._refusal(reader, passes_on, "readings") or rows

    def _refusal(self, reader: str, passes_on: bool, asset: str) -> str | None:
        owners = {1: "one", 2: "two", 3: "three"}
        if asset != "readings" and owners[asset.count("_")] == reader:
            return None
        right = self.rights.get((reader, asset), NONE)
        if right == OPTION or (right == PLAIN and not passes_on):
            return None
        return "VIEW_CLOSED" if passes_on else "ACCESS_REQUIRED"


def view_name(modes: tuple[str, ...]) -> str:
    """The name of the view of those modes; of none, the table's."""
    return "_".join(("v", *modes)) if modes else "readings"
