"""Named queries and prepared statements."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from meshplane.sandbox.athena.workgroups import PRIMARY
from meshplane.sandbox.fake import Caller, FakeError, Handler, World


class SavedQueries:
    """What was saved to be run later.

    Args:
        world: gives times and numbers.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._named: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._prepared: dict[tuple[str, str], dict[tuple[str, str], dict[str, Any]]] = {}
        self.handlers: Mapping[str, Handler] = {
            "CreateNamedQuery": self._create_named,
            "GetNamedQuery": self._get_named,
            "ListNamedQueries": self._list_named,
            "DeleteNamedQuery": self._delete_named,
            "CreatePreparedStatement": self._create_prepared,
            "GetPreparedStatement": self._get_prepared,
            "ListPreparedStatements": self._list_prepared,
            "DeletePreparedStatement": self._delete_prepared,
        }

    def prepared(self, caller: Caller, group: str, name: str) -> str:
        """The text of a prepared statement.

        Raises:
            FakeError: InvalidRequestException, there is none of that name.
        """
        key = {"StatementName": name, "WorkGroup": group}
        statement: dict[str, Any] = self._get_prepared(caller, key)["PreparedStatement"]
        return str(statement["QueryStatement"])

    def _create_named(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        number = str(UUID(int=self._world.number("athena-named-query"), version=4))
        kept = {name: parameters[name] for name in ("Name", "Database", "QueryString")}
        kept["Description"] = parameters.get("Description", "")
        kept["WorkGroup"] = parameters.get("WorkGroup", PRIMARY)
        self._named_of(caller)[number] = {**kept, "NamedQueryId": number}
        return {"NamedQueryId": number}

    def _get_named(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = self._named_of(caller).get(parameters["NamedQueryId"])
        if found is None:
            raise _missing(f"NamedQuery {parameters['NamedQueryId']} was not found")
        return {"NamedQuery": found}

    def _list_named(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        group = parameters.get("WorkGroup", PRIMARY)
        known = self._named_of(caller).items()
        return {"NamedQueryIds": [number for number, one in known if one["WorkGroup"] == group]}

    def _delete_named(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        self._get_named(caller, parameters)
        del self._named_of(caller)[parameters["NamedQueryId"]]
        return {}

    def _create_prepared(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        key = (parameters["WorkGroup"], parameters["StatementName"])
        if key in self._prepared_of(caller):
            raise _missing(f"Prepared Statement {key[1]} already exists in WorkGroup {key[0]}")
        self._prepared_of(caller)[key] = {
            "StatementName": key[1],
            "QueryStatement": parameters["QueryStatement"],
            "WorkGroupName": key[0],
            "Description": parameters.get("Description", ""),
            "LastModifiedTime": self._world.clock.now(),
        }
        return {}

    def _get_prepared(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        key = (parameters["WorkGroup"], parameters["StatementName"])
        found = self._prepared_of(caller).get(key)
        if found is None:
            raise FakeError(
                "ResourceNotFoundException",
                f"Prepared Statement {key[1]} was not found in WorkGroup {key[0]}",
                ResourceName=key[1],
            )
        return {"PreparedStatement": found}

    def _list_prepared(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = [
            {name: one[name] for name in ("StatementName", "LastModifiedTime")}
            for (group, _), one in sorted(self._prepared_of(caller).items())
            if group == parameters["WorkGroup"]
        ]
        return {"PreparedStatements": found}

    def _delete_prepared(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        self._get_prepared(caller, parameters)
        del self._prepared_of(caller)[parameters["WorkGroup"], parameters["StatementName"]]
        return {}

    def _named_of(self, caller: Caller) -> dict[str, dict[str, Any]]:
        return self._named.setdefault((caller.account, caller.region), {})

    def _prepared_of(self, caller: Caller) -> dict[tuple[str, str], dict[str, Any]]:
        return self._prepared.setdefault((caller.account, caller.region), {})


def _missing(message: str) -> FakeError:
    return FakeError("InvalidRequestException", message, AthenaErrorCode="INVALID_INPUT")
