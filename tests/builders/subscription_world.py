"""A small mesh with assets of each classification, and short words for asking and deciding."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.builders.refusals import problem_of
from tests.builders.server import Server
from tests.builders.small_mesh import COLUMNS, CONTRACT, SmallMesh

_WAIT_SECONDS = 30.0


class SubscriptionWorld:
    """Asks and decides in a small mesh.

    Attributes:
        mesh: the small mesh. In its domain harbour, Sam is a steward and Dora an owner.
    """

    def __init__(self, server: Server) -> None:
        self.mesh = SmallMesh(server)
        self._assets: dict[str, str] = {}
        self._people: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Closes all connections."""
        self.mesh.close()
        for client in self._people.values():
            client.close()

    def person(self, subject: str, *groups: str) -> httpx.Client:
        """The connections of somebody, by the subject of his token."""
        name = "|".join((subject, *groups))
        if name not in self._people:
            self._people[name] = self.mesh.server.client(subject, groups)
        return self._people[name]

    def asset(self, classification: str, **columns: str) -> str:
        """The id of a listed asset of ten rows: so classified, some columns in another way."""
        name = "_".join((classification, *(f"{key}_{value}" for key, value in columns.items())))
        if name not in self._assets:
            self._assets[name] = self.publish(name, classification, columns)
        return self._assets[name]

    def publish(self, name: str, classification: str, columns: dict[str, str]) -> str:
        """The id of a new listed asset of ten rows."""
        mesh = self.mesh
        body = {"projectId": mesh.tides, "name": name, "columns": COLUMNS}
        table_id = mesh.ask("owner", "POST", "/tables", body)["tableId"]
        rows = [{"station": f"station-{number}", "level": number} for number in range(10)]
        mesh.ask("owner", "POST", f"/tables/{table_id}/rows", rows=rows)
        listing = {
            "projectId": mesh.tides,
            "tableId": table_id,
            "name": name,
            "description": "Water levels.",
            "classification": classification,
            "columnClassifications": columns,
            "contract": CONTRACT,
        }
        asset_id = str(mesh.ask("owner", "POST", "/assets", listing)["assetId"])
        give_up = time.monotonic() + _WAIT_SECONDS
        while mesh.ask("owner", "GET", f"/assets/{asset_id}")["status"] != "published":
            assert time.monotonic() < give_up, "it is not listed"
            for one in mesh.ask("steward", "GET", "/approvals?limit=200")["items"]:
                if one["title"] == f"Publish {name}":
                    path = f"/approvals/{one['workflowId']}/approve"
                    mesh.clients["steward"].post(f"/api/v1{path}", json={"comment": "Yes."})
            time.sleep(0.02)
        return asset_id

    def request(self, asset_id: str | None = None, **wish: Any) -> dict[str, Any]:
        """A new request of the project maps, by Otto; by default for the internal readings."""
        body = {
            "assetId": asset_id or self.mesh.readings,
            "projectId": self.mesh.maps,
            "purpose": "To draw maps.",
            **wish,
        }
        made: dict[str, Any] = self.mesh.ask("other", "POST", "/subscriptions", body)
        return made

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as it is now."""
        found: dict[str, Any] = self.mesh.ask(
            "steward", "GET", f"/subscriptions/{request['requestId']}"
        )
        return found

    def act(
        self,
        who: str | httpx.Client,
        what: str,
        request: dict[str, Any],
        if_match: str | None = None,
        **body: Any,
    ) -> httpx.Response:
        """The answer to somebody, a role or connections, who does something about a request."""
        client = self.mesh.clients[who] if isinstance(who, str) else who
        path = f"/api/v1/subscriptions/{request['requestId']}/{what}"
        headers = {} if if_match is None else {"If-Match": if_match}
        reason = {} if what == "renew" else {"reason": f"I {what} it."}
        return client.post(path, json={**reason, **body}, headers=headers)

    def does(
        self, who: str | httpx.Client, what: str, request: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """As `act`, which must succeed."""
        answer = self.act(who, what, request, **more)
        assert answer.is_success, f"{what}: {answer.status_code} {answer.text}"
        done: dict[str, Any] = answer.json()
        return done

    def refused(
        self, who: str | httpx.Client, what: str, request: dict[str, Any], **more: Any
    ) -> tuple[int, str]:
        """As `act`, which must be refused: status and code."""
        told = problem_of(self.act(who, what, request, **more))
        return told["status"], told["code"]

    def change(
        self, request: dict[str, Any], if_match: str | None = None, **body: Any
    ) -> httpx.Response:
        """The answer to Otto, who changes his request."""
        path = f"/api/v1/subscriptions/{request['requestId']}"
        headers = {"If-Match": if_match or f'"{request["version"]}"'}
        return self.mesh.clients["other"].patch(path, json=body, headers=headers)

    def grants(self, asset_id: str) -> dict[str, dict[str, Any]]:
        """The grants on an asset, by id."""
        path = f"/permissions?assetId={asset_id}&limit=200"
        found = self.mesh.ask("steward", "GET", path)["items"]
        return {one["grantId"]: one for one in found}

    def events(self, request: dict[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
        """What happened to a request, oldest first; of one type, or of all."""
        path = f"/events?entity={request['requestId']}&limit=200" + (
            f"&type={kind}" if kind else ""
        )
        found: list[dict[str, Any]] = self.mesh.ask("administrator", "GET", path)["items"]
        return found

    def happened(self, request: dict[str, Any]) -> list[str]:
        """The types of what happened to a request, oldest first."""
        return [one["type"] for one in self.events(request)]

    def until(self, request: dict[str, Any], status: str) -> dict[str, Any]:
        """The request once it has come to a status by itself."""
        give_up = time.monotonic() + _WAIT_SECONDS
        while (now := self.get(request))["status"] != status or not self._told(request, status):
            assert time.monotonic() < give_up, f"it is {now['status']}"
            time.sleep(0.02)
        return now

    def _told(self, request: dict[str, Any], status: str) -> bool:
        """Whether the end was noted, and is not only shown because the date has come."""
        return status != "expired" or "SubscriptionExpired" in self.happened(request)

    @contextlib.contextmanager
    def member(self, subject: str, role: str, domain_id: str | None = None) -> Iterator[str]:
        """Somebody in a role of harbour for a while; gives the path of his membership."""
        path = f"/domains/{domain_id or self.mesh.harbour}/members/user:{subject}"
        self.mesh.ask("administrator", "PUT", path, {"role": role})
        try:
            yield path
        finally:
            self.mesh.clients["administrator"].delete(f"/api/v1{path}")
