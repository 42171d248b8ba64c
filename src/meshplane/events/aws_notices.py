"""Tells people of what happened, over topics of SNS.

Each notice is sent at least once, and as a rule once: whoever is about to send it says so first, in
a commit of its own. SNS knows a message again on FIFO topics alone, which have no subscribers by
mail: so a process that dies between SNS's answer and its own commit, or an answer that is lost, has
it sent again; `eventId` among its attributes is the same then.
"""

import asyncio
from datetime import datetime, timedelta

from meshplane.events.aws_notice_table import NOTICES
from meshplane.events.consumer import Consumer
from meshplane.events.notices import TOLD, Notice, notice_of
from meshplane.kit.clock import Clock, from_text
from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.notices import Notices
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Row

_KEPT = timedelta(days=14)
_OLDEST = timedelta(days=1)
"""What happened longer ago is news to nobody; so whoever turns this on is not flooded."""

_LONGEST_SECONDS = 20.0
"""How long SNS is waited for; what else is shown elsewhere waits meanwhile."""

_BUSY = timedelta(minutes=2)

_NO_TOPIC = frozenset({"NotFound", "NotFoundException"})


class NoticeBusy(Unavailable):
    """Another process is about to send the same notice."""

    def __init__(self) -> None:
        super().__init__("NOTICE_BUSY", "Another process sends this notice now.")


class NoticesToTopics:
    """Publishes what `notice_of` has people told.

    Args:
        aws: calls SNS.
        store: remembers what was sent.
        clock: the present.
        longest_seconds: how long SNS is waited for.
    """

    def __init__(
        self, aws: Aws, store: Store, clock: Clock, longest_seconds: float = _LONGEST_SECONDS
    ) -> None:
        self._aws = aws
        self._store = store
        self._clock = clock
        self._longest_seconds = longest_seconds

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The events that it follows; a lane for each source, so that none waits for another."""
        return tuple(
            Consumer(f"notices.{source.rpartition('.')[2]}", kinds, self._tell, source)
            for source, kinds in TOLD.items()
        )

    async def _tell(self, work: UnitOfWork, event: StoredEvent) -> None:
        notice, now = notice_of(event), self._clock.now()
        if notice is None or now - from_text(event.time) > _OLDEST:
            return
        row = await work.get(NOTICES, event.event_id)
        if row is not None and row.item["sentAt"] is not None:
            return
        claimed = await self._claimed(event.event_id, row, now)
        try:
            async with asyncio.timeout(self._longest_seconds):
                await self._send(notice)
        except Exception:
            await self._release(claimed)
            raise
        sent = {**claimed.item, "sentAt": now.isoformat(), "busyUntil": 0}
        work.put(NOTICES, sent, expected=claimed.version, otherwise=NoticeBusy())

    async def _claimed(self, event_id: str, row: Row | None, now: datetime) -> Row:
        """The row that says who sends it: this process, for some minutes.

        Raises:
            NoticeBusy: another does.
        """
        if row is not None and now.timestamp() < row.item["busyUntil"]:
            raise NoticeBusy
        item = {
            "eventId": event_id,
            "busyUntil": int((now + _BUSY).timestamp()),
            "sentAt": None,
            "expires": int((now + _KEPT).timestamp()),
        }
        unit = self._store.begin()
        expected = row.version if row is not None else ABSENT
        unit.put(NOTICES, item, expected=expected, otherwise=NoticeBusy())
        await unit.commit()
        found = await self._store.begin().get(NOTICES, event_id)
        if found is None:
            raise NoticeBusy
        return found

    async def _release(self, claimed: Row) -> None:
        """Lets others try, as nothing was sent or nobody knows."""
        unit = self._store.begin()
        freed = {**claimed.item, "busyUntil": 0}
        unit.put(NOTICES, freed, expected=claimed.version, otherwise=NoticeBusy())
        await unit.commit()

    async def _send(self, notice: Notice) -> None:
        place = self._aws.place
        name = f"{place.prefix}{notice.topic}"
        topic = Notices(self._aws, f"arn:aws:sns:{place.region}:{place.account}:{name}")
        try:
            await topic.send(notice.subject, notice.message, notice.attributes)
        except AwsRejected as refusal:
            if refusal.aws_code not in _NO_TOPIC:
                raise
            await self._aws.call("sns", "create_topic", Name=name)
            await topic.send(notice.subject, notice.message, notice.attributes)
