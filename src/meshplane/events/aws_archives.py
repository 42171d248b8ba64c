"""Archives and replays on EventBridge.

An archive of EventBridge holds what came on the bus after it was made, and what it holds arrives
some minutes late; the mesh's own holds the whole outbox. A replay gives events to the rules of the
same bus in a near order, each with a new `id` of EventBridge's, `replay-name`, and the mesh's own
event id among `resources`.

Limits (API Reference, `CreateArchive`, `StartReplay`): a name of an archive has 48 characters of
letters, digits, `.`, `-` and `_`, one of a replay 64; a replay is of one archive, to its own bus;
10 replays at once (a quota).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from meshplane.events.archives import Archive
from meshplane.events.aws import BusPlaces
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected

LONGEST_NAME = 48
_NOT_FOUND = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True)
class AwsReplay:
    """A replay as EventBridge tells of it.

    Args:
        name: unique in the account for 90 days.
        state: `STARTING`, `RUNNING`, `CANCELLING`, `COMPLETED`, `CANCELLED` or `FAILED`.
        begin, end: of the events, RFC 3339 text.
        last_replayed_at: the time of the newest event that was replayed.
        reason: why it is in this state, in EventBridge's words.
    """

    name: str
    state: str
    begin: str | None
    end: str | None
    last_replayed_at: str | None
    reason: str | None


class EventBridgeArchives:
    """Keeps archives of the bus, and replays them.

    Args:
        aws: calls EventBridge.
        places: where the bus is.
    """

    def __init__(self, aws: Aws, places: BusPlaces) -> None:
        self._aws = aws
        self._places = places

    async def apply(self, archives: Sequence[Archive]) -> tuple[list[str], list[str]]:
        """Makes the bus's archives what these are.

        Returns:
            The names of those that were made or changed, and of those that were removed.

        Raises:
            Invalid: ARCHIVE_NAME_TOO_LONG.
        """
        wanted = {self._name(archive.name): archive for archive in archives}
        there = await self._listed()
        changed = [
            archive.name
            for name, archive in wanted.items()
            if await self._apply_one(name, archive, name in there)
        ]
        removed = [name for name in there if name not in wanted]
        for name in removed:
            await self._aws.call("events", "delete_archive", ArchiveName=name)
        return changed, [name.removeprefix(self._places.place.prefix) for name in removed]

    async def start_replay(self, name: str, archive: str, begin: datetime, end: datetime) -> str:
        """Starts to give an archive's events to the bus's rules again; the same again is nothing.

        Args:
            name: of the replay: the command's id.
            archive: of the mesh.
            begin: from when on.
            end: until when.

        Returns:
            The state that it is in.

        Raises:
            Missing: ARCHIVE_NOT_FOUND.
            Conflict: REPLAY_REFUSED, such as where its span is empty.
        """
        try:
            found = await self._aws.call(
                "events", "describe_archive", ArchiveName=self._name(archive)
            )
            answer = await self._aws.call(
                "events",
                "start_replay",
                ReplayName=self._name(name, 64),
                EventSourceArn=found["ArchiveArn"],
                EventStartTime=begin,
                EventEndTime=end,
                Destination={"Arn": self._places.bus_arn},
            )
        except AwsRejected as error:
            if error.aws_code == _NOT_FOUND:
                raise Missing("ARCHIVE_NOT_FOUND", "There is no such archive.") from error
            if error.aws_code == "ResourceAlreadyExistsException":
                return (await self.describe_replay(name)).state
            raise Conflict(
                "REPLAY_REFUSED", "EventBridge does not start this replay: see its span of time."
            ) from error
        return str(answer["State"])

    async def describe_replay(self, name: str) -> AwsReplay:
        """A replay.

        Raises:
            Missing: REPLAY_NOT_FOUND.
        """
        try:
            answer = await self._aws.call(
                "events", "describe_replay", ReplayName=self._name(name, 64)
            )
        except AwsRejected as error:
            if error.aws_code == _NOT_FOUND:
                raise Missing("REPLAY_NOT_FOUND", "There is no such replay.") from error
            raise
        return AwsReplay(
            name,
            answer["State"],
            _text(answer.get("EventStartTime")),
            _text(answer.get("EventEndTime")),
            _text(answer.get("EventLastReplayedTime")),
            answer.get("StateReason"),
        )

    async def cancel_replay(self, name: str) -> None:
        """Ends a replay; what it has sent already is still delivered.

        Raises:
            Missing: REPLAY_NOT_FOUND.
            Conflict: REPLAY_ENDED.
        """
        try:
            await self._aws.call("events", "cancel_replay", ReplayName=self._name(name, 64))
        except AwsRejected as error:
            if error.aws_code == _NOT_FOUND:
                raise Missing("REPLAY_NOT_FOUND", "There is no such replay.") from error
            if error.aws_code == "IllegalStatusException":
                raise Conflict("REPLAY_ENDED", "This replay has ended already.") from error
            raise

    async def _apply_one(self, name: str, archive: Archive, is_there: bool) -> bool:
        pattern = None
        if archive.event_pattern is not None:
            pattern = orjson.dumps(archive.event_pattern).decode()
        wanted: dict[str, Any] = {
            "ArchiveName": name,
            "Description": archive.description,
            "RetentionDays": archive.retention_days,
            **({"EventPattern": pattern} if pattern is not None else {}),
        }
        if not is_there:
            await self._aws.call(
                "events", "create_archive", EventSourceArn=self._places.bus_arn, **wanted
            )
            return True
        there = await self._aws.call("events", "describe_archive", ArchiveName=name)
        same_pattern = orjson.loads(there.get("EventPattern") or "null") == archive.event_pattern
        if same_pattern and all(
            (there.get(key) or default) == wanted[key]
            for key, default in (("Description", ""), ("RetentionDays", 0))
        ):
            return False
        await self._aws.call("events", "update_archive", **wanted)
        return True

    async def _listed(self) -> list[str]:
        """The names of this bus's archives."""
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await self._aws.call(
                "events", "list_archives", EventSourceArn=self._places.bus_arn, **token
            )
            found += [one["ArchiveName"] for one in page["Archives"]]
            if not page.get("NextToken"):
                prefix = self._places.place.prefix
                return [name for name in found if name.startswith(prefix)]
            token = {"NextToken": page["NextToken"]}

    def _name(self, name: str, longest: int = LONGEST_NAME) -> str:
        made = f"{self._places.place.prefix}{name}"
        if len(made) > longest:
            raise Invalid(
                "ARCHIVE_NAME_TOO_LONG",
                f"On EventBridge such a name has at most {longest} characters, the mesh's prefix "
                "included.",
                field="name",
            )
        return made


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else to_text(instant)
