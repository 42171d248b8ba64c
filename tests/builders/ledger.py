"""A book of writes, kept outside of the server: what was asked, and what was answered.

Its keeper writes while the server lives and dies. Whatever got an answer must be there, once; what
got none may be there once or not at all, and is there once when it is repeated under its key.
"""

import io
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from meshplane.client import Api, ApiProblem, connect
from meshplane.kit.errors import Unavailable
from meshplane.sample.people import ADMIN, AVIATION_STEWARD, Person

KEEPER = Person("keeper@ledger", "Luca", "keeper of the ledger")
_COLUMN = "number"
_DECISIONS = ("approve", "revoke")
_PAUSE_SECONDS = 0.01
_AWAY_SECONDS = 0.02
_MOST_REPEATED_AT_THE_END = 80
_SETTLING_SECONDS = 15.0

Mint = Callable[[str, tuple[str, ...]], str]


@dataclass(slots=True)
class Write:
    """One write; `answer` is None as long as none came."""

    kind: str
    person: Person
    path: str
    body: Any
    key: str
    rows: tuple[int, ...] = ()
    about: str = ""
    answer: dict[str, Any] | None = None
    given_up: bool = False
    needed: bool = False


class Ledger:
    """Writes in a thread of its own, and looks after each start of the server.

    Attributes:
        complaints: what was not as the ledger has it.
        looks: how often it was compared with the server.
        cut_off: how many writes got no answer.
        deciding: set while a decision on a subscription is under way.

    Args:
        url: where the server answers, whenever it does.
        mint: makes tokens.
        progress: the file in which the sample's loader notes its progress.
        chance: decides what is written next.
    """

    def __init__(self, url: str, mint: Mint, progress: Path, chance: random.Random) -> None:
        self.complaints: list[str] = []
        self.looks = 0
        self.cut_off = 0
        self.deciding = threading.Event()
        self.writes: list[Write] = []
        self._life = 0
        self._looked_in_life = 0
        self._present_life = 0
        self._cut_off_in_life = 0
        self._progress = progress
        self._chance = chance
        self._numbers = iter(range(1, 1_000_000_000))
        self._client = connect(url)
        self._mint = mint
        self._apis: dict[str, Api] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ledger", daemon=True)

    def new_life(self) -> None:
        """The server is about to be started: once it answers, look whether all is there."""
        self._life += 1
        if self._life == 1:
            self._thread.start()

    def close(self) -> None:
        """Stops writing. The server runs: repeats what is left, and looks a last time."""
        self._stopping.set()
        self._thread.join()
        self._repeat_unanswered()
        self._wait_until_settled()
        self.complaints += self.look(settled=True)
        self.complaints += self._repeat_answered()
        self._client.close()

    def answered(self, kind: str) -> list[Write]:
        """The writes of a kind that were answered."""
        return [write for write in self.writes if write.kind == kind and write.answer]

    def rows_answered(self) -> Counter[int]:
        """The numbers that were added to the ledger's own table, by answered writes."""
        return Counter(n for write in self.answered("rows") for n in write.rows)

    def rows_asked(self) -> set[int]:
        """All numbers that writes tried to add, answered or not."""
        return {n for write in self.writes if write.kind == "rows" for n in write.rows}

    @property
    def table_id(self) -> str | None:
        """The id of the ledger's own table."""
        made = self.answered("table")
        return made[0].answer["tableId"] if made and made[0].answer else None

    def look(self, *, settled: bool) -> list[str]:
        """What is not as the ledger has it.

        Args:
            settled: whether no effect may be on its way any more.
        """
        found = [*self._look_at_names("domain", "/domains", "domainId")]
        found += self._look_at_names("project", "/projects", "projectId")
        found += self._look_at_members()
        found += self._look_at_subscriptions(settled=settled)
        found += self._look_at_rows()
        return found

    # What it does over and over.

    def _keep(self) -> None:
        while not self._stopping.is_set():
            life = self._present_life = self._life
            try:
                if self._cut_off_in_life == life:
                    time.sleep(_AWAY_SECONDS)
                    continue
                if self._looked_in_life != life:
                    self._api(ADMIN).get("/domains", limit=1)  # it answers by now, or this raises
                    self._repeat_unanswered()
                    self.complaints += self.look(settled=False)
                    self._looked_in_life = life
                    self.looks += 1
                self._write_something()
                time.sleep(_PAUSE_SECONDS)
            except Unavailable:
                time.sleep(_AWAY_SECONDS)
            except ApiProblem as problem:
                self.complaints.append(f"a request was answered with {problem.code}")
                time.sleep(_AWAY_SECONDS)

    def _write_something(self) -> None:
        next_needed = self._next_needed()
        if next_needed is not None:
            next_needed.needed = True
            self._send(next_needed)
            return
        kinds: dict[Callable[[], Write | None], int] = {
            self._domain: 4,
            self._project: 4,
            self._member: 2,
            self._rows: 2,
            self._request: 6,
            self._decision: 12,  # what is begun here is completed by events
        }
        chosen = self._chance.choices(list(kinds), list(kinds.values()))[0]()
        if chosen is not None:
            self._send(chosen)

    def _next_needed(self) -> Write | None:
        """The first writes make what later ones stand on; each is repeated until it is answered."""
        for kind, make in (("domain", self._domain), ("project", self._own_project)):
            if not self.answered(kind):
                return self._unanswered(kind) or make()
        if not self.answered("table"):
            return self._unanswered("table") or self._table()
        return None

    def _unanswered(self, kind: str) -> Write | None:
        waiting = [write for write in self.writes if write.kind == kind and write.answer is None]
        return waiting[0] if waiting else None

    def _send(self, write: Write) -> None:
        if write not in self.writes:
            self.writes.append(write)
            # Decided before it is sent, as nobody knows whether the server will outlive it.
            # What was decided must come true without anybody who asks again.
            chance = 0.9 if write.kind in _DECISIONS else 0.5
            write.given_up = not write.needed and self._chance.random() < chance
        api = self._api(write.person)
        if write.kind in _DECISIONS:
            self.deciding.set()
        try:
            if write.kind == "rows":
                write.answer = api.post_arrow(write.path, _arrow(write.rows), key=write.key)
            elif write.kind == "member":
                write.answer = api.put(write.path, write.body, key=write.key)
            else:
                write.answer = api.post(write.path, write.body, key=write.key)
        except Unavailable:
            self.cut_off += 1
            self._cut_off_in_life = self._present_life
            raise
        except ApiProblem as problem:
            self.complaints.append(f"{write.kind} {write.about} was answered with {problem.code}")
            write.given_up = True
        finally:
            self.deciding.clear()

    def _repeat_unanswered(self) -> None:
        for write in self.writes:
            if write.answer is None and not write.given_up:
                self._send(write)

    # What it writes.

    def _domain(self) -> Write:
        number = next(self._numbers)
        name = f"ledger-{number}"
        body = {"name": name, "description": f"Made by write {number}."}
        return Write("domain", ADMIN, "/domains", body, f"ledger-{number}", about=name)

    def _own_project(self) -> Write:
        write = self._project()
        write.body["members"] = [{"principal": KEEPER.principal, "role": "owner"}]
        return write

    def _project(self) -> Write:
        number = next(self._numbers)
        domain = self._chance.choice(self.answered("domain")).answer or {}
        name = f"ledger-{number}"
        body = {"domainId": domain["domainId"], "name": name}
        return Write("project", ADMIN, "/projects", body, f"ledger-{number}", about=name)

    def _member(self) -> Write:
        number = next(self._numbers)
        domain = self._chance.choice(self.answered("domain")).answer or {}
        principal = f"user:member-{number}@ledger"
        path = f"/domains/{domain['domainId']}/members/{principal}"
        return Write("member", ADMIN, path, {"role": "viewer"}, f"ledger-{number}", about=principal)

    def _table(self) -> Write:
        number = next(self._numbers)
        columns = [{"name": _COLUMN, "type": "long", "required": True}]
        body = {"projectId": self._project_id, "name": "ledger", "columns": columns}
        return Write("table", KEEPER, "/tables", body, f"ledger-{number}", about="ledger")

    def _rows(self) -> Write:
        rows = tuple(next(self._numbers) for _ in range(self._chance.randint(1, 20)))
        path = f"/tables/{self.table_id}/rows"
        return Write("rows", KEEPER, path, None, f"ledger-{rows[0]}", rows, about=str(rows[0]))

    def _request(self) -> Write | None:
        asset_id = self._published("airlines")
        if asset_id is None:
            return None
        number = next(self._numbers)
        purpose = f"Write {number} of the ledger."
        body = {"assetId": asset_id, "projectId": self._project_id, "purpose": purpose}
        key = f"ledger-{number}"
        return Write("request", KEEPER, "/subscriptions", body, key, about=purpose)

    def _decision(self) -> Write | None:
        """The next decision on the newest request, if one is left to take."""
        requests = self.answered("request")
        request = requests[-1].answer if requests else None
        if request is None:
            return None
        request_id = request["requestId"]
        taken = {w.kind: w for w in self.writes if w.about == request_id}
        if "reject" in taken or "revoke" in taken:
            return None
        if "approve" in taken:
            kind = "revoke" if taken["approve"].answer else None
        else:
            kind = self._chance.choice(["approve", "approve", "approve", "reject"])
        if kind is None:
            return None
        return Write(
            kind,
            AVIATION_STEWARD,
            f"/subscriptions/{request_id}/{kind}",
            {"reason": "The ledger decides so."},
            f"ledger-{next(self._numbers)}",
            about=request_id,
        )

    # What it looks at.

    def _look_at_names(self, kind: str, path: str, id_name: str) -> Iterator[str]:
        listed = defaultdict(list)
        for item in self._api(ADMIN).items(path):
            listed[item["name"]].append(item[id_name])
        for write in self.writes:
            if write.kind != kind:
                continue
            ids = listed[write.about]
            if write.answer is not None and ids != [write.answer[id_name]]:
                yield f"{kind} {write.about} was answered, and is listed {len(ids)} times"
            elif len(ids) > 1:
                yield f"{kind} {write.about} is there {len(ids)} times"

    def _look_at_members(self) -> Iterator[str]:
        expected = defaultdict(set)
        for write in self.answered("member"):
            expected[write.path.split("/")[2]].add(write.about)
        for domain_id, principals in expected.items():
            items = self._api(ADMIN).items(f"/domains/{domain_id}/members")
            listed = Counter(item["principal"] for item in items)
            for principal in principals:
                times = listed[principal]
                if times != 1:
                    yield f"member {principal} was answered, and is listed {times} times"

    def _look_at_subscriptions(self, *, settled: bool) -> Iterator[str]:
        if not self.answered("request"):
            return
        items = self._api(KEEPER).items("/subscriptions", projectId=self._project_id)
        by_purpose = defaultdict(list)
        for item in items:
            by_purpose[item["purpose"]].append(item)
        for write in self.writes:
            if write.kind != "request":
                continue
            found = by_purpose[write.about]
            if len(found) > 1 or (write.answer is not None and len(found) != 1):
                yield f"request {write.about} is there {len(found)} times"
            elif write.answer is not None:
                yield from self._look_at_status(found[0], settled=settled)

    def _look_at_status(self, item: dict[str, Any], *, settled: bool) -> Iterator[str]:
        request_id, status = item["requestId"], item["status"]
        answered = {w.kind for w in self.writes if w.about == request_id and w.answer is not None}
        asked = {w.kind for w in self.writes if w.about == request_id}
        allowed = {"requested"} if not answered else set()
        if "approve" in asked and "revoke" not in answered:
            allowed |= {"active"} if settled else {"active", "approved"}
        if "revoke" in asked:
            allowed |= {"revoked"} if settled else {"revoked", "revoking"}
        if "reject" in asked:
            allowed |= {"rejected"}
        if status not in allowed:
            yield f"subscription {request_id} is {status} after {sorted(answered)}"
        if status in ("active", "revoked") and not item["grantId"]:
            yield f"subscription {request_id} is {status} without a grant"

    def _look_at_rows(self) -> Iterator[str]:
        if self.table_id is None:
            return
        rows = self._api(KEEPER).get(f"/tables/{self.table_id}")["rows"]
        lowest, highest = self.rows_answered().total(), len(self.rows_asked())
        if not lowest <= rows <= highest:
            yield f"the ledger's table has {rows} rows, not {lowest} to {highest}"

    def _repeat_answered(self) -> Iterator[str]:
        """The same request under the same key must be answered as it was, and do nothing."""
        ids = {
            "domain": "domainId",
            "project": "projectId",
            "table": "tableId",
            "rows": "snapshotId",
            "request": "requestId",
            "approve": "grantId",
        }
        answered = [write for write in self.writes if write.answer and write.kind in ids]
        count = min(len(answered), _MOST_REPEATED_AT_THE_END)
        for write in self._chance.sample(answered, count):
            before = write.answer or {}
            self._send(write)
            if (write.answer or {})[ids[write.kind]] != before[ids[write.kind]]:
                yield f"{write.kind} {write.about} was repeated and answered otherwise"
        yield from self.look(settled=True)

    def _wait_until_settled(self) -> None:
        give_up = time.monotonic() + _SETTLING_SECONDS
        while self.look(settled=True) and time.monotonic() < give_up:
            time.sleep(_PAUSE_SECONDS)

    # Small parts.

    @property
    def _project_id(self) -> str:
        answer = self.answered("project")[0].answer or {}
        return str(answer["projectId"])

    def _published(self, name: str) -> str | None:
        if not self._progress.exists():
            return None
        values: dict[str, str] = json.loads(self._progress.read_bytes())["values"]
        return values.get(f"asset:{name}")

    def _api(self, person: Person) -> Api:
        if person.user not in self._apis:
            self._apis[person.user] = Api(
                self._client, lambda: self._mint(person.user, person.groups)
            )
        return self._apis[person.user]


def _arrow(rows: tuple[int, ...]) -> bytes:
    schema = pa.schema([pa.field(_COLUMN, pa.int64(), nullable=False)])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.table({_COLUMN: list(rows)}, schema=schema))
    return sink.getvalue()
