"""What DataZone remembers, and the words in which it says no."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from meshplane.sandbox.datazone.bus import to_default_bus
from meshplane.sandbox.fake import Caller, FakeError, World

Item = dict[str, Any]

SETTLING_SECONDS = 1.0
"""After how much time of the world's clock a change that takes a while is done unwatched."""

_KEPT_VERSIONS = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def missing(what: str, identifier: str) -> FakeError:
    """There is no such thing."""
    return FakeError("ResourceNotFoundException", f"{what} {identifier} was not found.", 404)


def invalid(message: str) -> FakeError:
    """The request cannot be carried out as it is."""
    return FakeError("ValidationException", message, 400)


def conflict(message: str) -> FakeError:
    """What is there does not allow it."""
    return FakeError("ConflictException", message, 409)


def denied(message: str) -> FakeError:
    """The caller may not."""
    return FakeError("AccessDeniedException", message, 403)


class Shelf:
    """The items of one kind by id, and what they were a while ago: lists lag behind.

    Args:
        world: its clock dates every change, its `visibility_seconds` is how far lists lag.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: dict[str, Item] = {}
        self._past: dict[str, list[tuple[datetime, Item | None]]] = {}

    def get(self, identifier: str) -> Item | None:
        """The item as it is now."""
        return self._items.get(identifier)

    def put(self, identifier: str, item: Item) -> Item:
        """Stores an item whole."""
        self._items[identifier] = item
        self._note(identifier, deepcopy(item))
        return item

    def change(self, identifier: str, **members: Any) -> Item:
        """Changes some members of an item that is there."""
        return self.put(identifier, {**self._items[identifier], **members})

    def remove(self, identifier: str) -> None:
        """Takes an item away."""
        del self._items[identifier]
        self._note(identifier, None)

    def all(self) -> list[Item]:
        """Every item as it is now, oldest first."""
        return list(self._items.values())

    def listed(self) -> list[Item]:
        """Every item as lists show it: as it was `visibility_seconds` ago."""
        if not self._world.visibility_seconds:
            return self.all()
        until = self._world.clock.now() - timedelta(seconds=self._world.visibility_seconds)
        seen = [
            next((item for at, item in reversed(versions) if at <= until), None)
            for versions in self._past.values()
        ]
        return [item for item in seen if item is not None]

    def _note(self, identifier: str, item: Item | None) -> None:
        versions = self._past.setdefault(identifier, [])
        versions.append((self._world.clock.now(), item))
        del versions[:-_KEPT_VERSIONS]


@dataclass
class Domain:
    """A domain of DataZone with all that is in it."""

    world: World
    item: Item
    shelves: dict[str, Shelf] = field(default_factory=dict)

    def shelf(self, kind: str) -> Shelf:
        """The items of that kind: `project`, `asset`."""
        if kind not in self.shelves:
            self.shelves[kind] = Shelf(self.world)
        return self.shelves[kind]

    def find(self, kind: str, what: str, identifier: str) -> Item:
        """The item with that id.

        Raises:
            FakeError: ResourceNotFoundException.
        """
        item = self.shelf(kind).get(identifier)
        if item is None:
            raise missing(what, identifier)
        return item


class State:
    """All domains, the answers that tokens stand for, and the events.

    Args:
        world: the clock and the numbers.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.domains: dict[str, Domain] = {}
        self.events: list[Item] = []
        self.on_event: Callable[[Item], None] | None = to_default_bus
        self._answers: dict[tuple[str, ...], tuple[str, Item]] = {}

    def forget(self) -> None:
        """Begins anew."""
        self.domains.clear()
        self.events.clear()
        self._answers.clear()

    def now(self) -> datetime:
        """The world's present."""
        return self.world.clock.now()

    def new_id(self) -> str:
        """14 small letters and digits, as DataZone's own; the same in every run."""
        digest = hashlib.sha256(f"datazone {self.world.number('datazone')}".encode()).digest()
        return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:14])

    def new_uuid(self) -> str:
        """The id of a user or a group."""
        digits = hashlib.sha256(f"uuid {self.world.number('datazone')}".encode()).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"

    def once(
        self, key: tuple[str, ...], parameters: Mapping[str, Any], work: Callable[[], Item]
    ) -> Item:
        """Does something once for a client token: the same request again gets the same answer.

        Raises:
            FakeError: ConflictException, the token came with other parameters before.
        """
        print_of = hashlib.sha256(
            json.dumps(parameters, sort_keys=True, default=str).encode()
        ).hexdigest()
        if key in self._answers:
            known, answer = self._answers[key]
            if known != print_of:
                raise conflict("The client token was used before with other parameters.")
            return deepcopy(answer)
        answer = work()
        self._answers[key] = (print_of, deepcopy(answer))
        return answer

    def is_settled(self, item: Item, looks: int = 1) -> bool:
        """Whether a change that takes a while is done: it was looked at, or time has passed."""
        seconds = (self.now() - item["_changing"]).total_seconds()
        return bool(item["_looks"] > looks or seconds >= SETTLING_SECONDS)


@dataclass(frozen=True, slots=True)
class Act:
    """One call inside a domain.

    Args:
        state: of the service.
        caller: who calls.
        domain: where.
        user: the id of the caller's profile there.
        token: that the client gave, for the event.
    """

    state: State
    caller: Caller
    domain: Domain
    user: str
    token: str

    @property
    def domain_id(self) -> str:
        """The domain's id."""
        found: str = self.domain.item["id"]
        return found

    def now(self) -> datetime:
        """The world's present."""
        return self.state.now()

    def made(self) -> Item:
        """The members that everything new has."""
        now = self.now()
        return {
            "domainId": self.domain_id,
            "createdAt": now,
            "createdBy": self.user,
            "updatedAt": now,
            "updatedBy": self.user,
            "lastUpdatedAt": now,
        }

    def changed(self) -> Item:
        """The members that a change sets."""
        now = self.now()
        return {"updatedAt": now, "updatedBy": self.user, "lastUpdatedAt": now}

    def designations(self, project: str) -> set[str]:
        """What the caller is in a project, by himself."""
        found = self.domain.shelf("membership").get(f"{project}#{self.user}")
        return {found["designation"]} if found else set()

    def demand(self, project: str, *designations: str) -> None:
        """Lets members of a project through: those with one of the designations, if any is named.

        Raises:
            FakeError: AccessDeniedException.
        """
        held = self.designations(project)
        if not held or (designations and not held & set(designations)):
            raise denied(f"User is not permitted to do this in project {project}.")

    def tell(
        self, detail_type: str, entity: str, item: Item, project: str | None, data: Item
    ) -> None:
        """Sends an event to the default bus of the domain's account.

        Args:
            detail_type: `Subscription Created`.
            entity: its `typeName`.
            item: what it happened to.
            project: that owns it.
            data: the event's own members.
        """
        metadata = {
            "domain": self.domain_id,
            "user": self.user,
            "id": item["id"],
            "version": str(item.get("revision", "1")),
            "typeName": entity,
            "awsAccountId": self.domain.item["_account"],
            "clientToken": self.token,
        }
        if project is not None:
            metadata["owningProjectId"] = project
        event = {
            "version": "0",
            "id": self.state.new_uuid(),
            "detail-type": detail_type,
            "source": "aws.datazone",
            "account": self.domain.item["_account"],
            "time": self.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "region": self.domain.item["_region"],
            "resources": [],
            "detail": {"version": "1", "metadata": metadata, "data": data},
        }
        self.state.events.append(event)
        if self.state.on_event is not None:
            self.state.on_event(event)


def page_of(items: Sequence[Item], given: Mapping[str, Any], key: str = "items") -> Item:
    """A page of a list and the token of the next one.

    Raises:
        FakeError: ValidationException, a token that no page gave.
    """
    begin = 0
    if given.get("nextToken"):
        try:
            begin = int(base64.urlsafe_b64decode(given["nextToken"]).decode().removeprefix("from "))
        except ValueError:
            raise invalid("The next token is not one that a page gave.") from None
    size = given.get("maxResults") or 50
    page: Item = {key: list(items[begin : begin + size])}
    if begin + size < len(items):
        page["nextToken"] = base64.urlsafe_b64encode(f"from {begin + size}".encode()).decode()
    return page


def in_order(items: Iterable[Item], given: Mapping[str, Any], key: str = "createdAt") -> list[Item]:
    """Items as `sortBy` and `sortOrder` ask; by time, newest first where nothing is asked."""
    name = {"CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt"}.get(given.get("sortBy", ""), key)
    descending = given.get("sortOrder", "DESCENDING") == "DESCENDING"
    return sorted(items, key=lambda item: item[name], reverse=descending)
