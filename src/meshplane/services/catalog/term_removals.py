"""Sees to it that the removal of a term that was begun comes to an end, or never was.

What a term is on is the assets' to know: they are told first that it goes, and put it on nothing
from then on. A process that dies before the removal's own commit would leave it so. So a note is
written before, with a message that takes it back after a while; the removal takes the note away in
its own commit, and a note that is being taken back lets no removal be committed any more.
"""

from meshplane.boundary.actor import service_actor
from meshplane.boundary.call import Call
from meshplane.events.queues import Message, QueueHandler, send
from meshplane.kit.clock import Clock
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.services.assets.api import AssetsApi
from meshplane.services.catalog.glossary_rows import moved
from meshplane.services.catalog.store import GLOSSARY_TERM_RELATIONS, REMOVAL

QUEUE = "term-removals"
_LONGEST_SECONDS = 60.0
"""How long a removal may take; one that takes longer is begun anew."""


class TermRemovals:
    """Takes back removals that did not come to an end.

    Args:
        assets: the service below, which puts a term that goes on nothing.
        store: holds the notes.
        clock: the present.
    """

    def __init__(self, assets: AssetsApi, store: Store, clock: Clock) -> None:
        self._assets = assets
        self._store = store
        self._clock = clock

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """What takes back removals."""
        return (QueueHandler(QUEUE, self._take_back),)

    async def begin(self, call: Call, term_id: str) -> None:
        """Notes that a term is being removed, before anybody is told.

        Args:
            call: the removal, which takes the note away when it is committed.
            term_id: of the term.

        Raises:
            BaseMoved: an earlier removal of the term is being taken back, or another one begins.
        """
        work = self._store.begin()
        row = await work.get(GLOSSARY_TERM_RELATIONS, term_id, REMOVAL)
        if row is not None and row.item["isTakenBack"]:
            raise moved()
        version = ABSENT if row is None else row.version
        removal_id = call.new_id("removal")
        note = {"toTermId": term_id, "fromTermId": REMOVAL, "removalId": removal_id}
        work.put(
            GLOSSARY_TERM_RELATIONS,
            {**note, "isTakenBack": False},
            expected=version,
            otherwise=moved(),
        )
        send(
            work,
            QUEUE,
            {"termId": term_id, "removalId": removal_id},
            message_id=removal_id,
            now=self._clock.now(),
            delay_seconds=_LONGEST_SECONDS,
        )
        await work.commit()
        self._end(call.work, term_id, version + 1)

    async def _take_back(self, work: UnitOfWork, message: Message) -> None:
        term_id = message.body["termId"]
        row = await work.get(GLOSSARY_TERM_RELATIONS, term_id, REMOVAL)
        if row is None or row.item["removalId"] != message.body["removalId"]:
            return  # It was committed, or another one was begun, which has a message of its own.
        version = row.version
        if not row.item["isTakenBack"]:
            first = self._store.begin()
            item = {**row.item, "isTakenBack": True}
            first.put(GLOSSARY_TERM_RELATIONS, item, expected=version, otherwise=moved())
            await first.commit()
            version += 1
        await self._assets.restore_term(service_actor("catalog"), term_id)
        self._end(work, term_id, version)

    def _end(self, work: UnitOfWork, term_id: str, version: int) -> None:
        work.delete(GLOSSARY_TERM_RELATIONS, term_id, REMOVAL, expected=version, otherwise=moved())
