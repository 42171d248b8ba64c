"""Kills a server again and again while it loads the sample mesh, at moments all over the journey.

A moment is chosen by step, not by the clock alone: a step, and then a random part of the time that
the step usually takes. So every step is met however long it takes, and the journey gets on.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.builders.journey_again import repeat_writes, step_names, steps
from tests.builders.ledger import Ledger
from tests.builders.minter import Minter
from tests.builders.mortal_server import MortalServer, free_port
from tests.builders.process_family import survivors

START = "start-up"
DONE = "done"
DECISION = "while a subscription is decided"
HEAVY = ("rows-flights", "delete-cancelled", "materialize")

# Beside one for each step.
_START_UP_KILLS = 6
_HEAVY_KILLS = 1
_DECISION_KILLS = 4
_KILLS_PER_JOURNEY = 10
_USUAL_SECONDS = {
    **{"table-flights": 0.3, "rows-flights": 1.3, "publish-flights": 0.12},
    **{"delete-cancelled": 0.6, "materialize": 0.5, "only-jfk": 0.25, "tail-numbers": 0.2},
}
_SHORT_SECONDS = 0.015
# From the moment that the server answers until the loader sends its first request.
_LOADER_SECONDS = 0.25
_START_SECONDS = 0.7
_DECISION_SECONDS = 0.012
_DECISION_COMES_SECONDS = 10.0
_DECISIONS_AFTER = "approve-weather"
_BEYOND = 1.1
_POLL_SECONDS = 0.0005
_LONGEST_JOURNEY_SECONDS = 240.0
_LIVE_ON_SECONDS = 5.0


@dataclass(slots=True)
class Played:
    """One journey and the home it left behind."""

    home: Path
    ledger: Ledger
    server: MortalServer
    minter: Minter

    @property
    def record(self) -> dict[str, Any]:
        """What the loader noted of its progress."""
        found: dict[str, Any] = json.loads((self.home / "sample.json").read_bytes())
        return found


@dataclass(slots=True)
class Survived:
    """What came of the kills.

    Attributes:
        landed: the step that was under way at each kill.
        decisions: how many kills came while the ledger's keeper decided on a subscription.
        left_behind: processes that lived on after their server, by kill.
        otherwise: writes of the journey that were repeated and answered otherwise than before.
        played: the journeys.
    """

    seed: int
    landed: list[str] = field(default_factory=list)
    decisions: int = 0
    left_behind: list[list[int]] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)

    def summary(self) -> str:
        """How many kills hit each step, in the order of the journey."""
        hits = Counter(self.landed)
        order = [START, *step_names(), DONE]
        told = ", ".join(f"{name} {hits[name]}" for name in order if hits[name])
        written = sum(len(each.ledger.writes) for each in self.played)
        cut_off = sum(each.ledger.cut_off for each in self.played)
        looks = sum(each.ledger.looks for each in self.played)
        return (
            f"{len(self.landed)} kills over {len(self.played)} journeys, seed {self.seed}: {told}. "
            f"{self.decisions} of them came while a subscription was decided. "
            f"The ledger holds {written} writes, {cut_off} times a kill cut one off, and it was "
            f"compared {looks} times."
        )


class Killer:
    """Plays journeys and kills their servers.

    Args:
        kills: how many.
        seed: of all choices.
        folder: where the homes go.
    """

    def __init__(self, kills: int, seed: int, folder: Path) -> None:
        self._kills = kills
        self._folder = folder
        self._chance = random.Random(seed)
        self._order = step_names()
        self._usual_seconds = {
            name: _USUAL_SECONDS.get(name, _SHORT_SECONDS) for name in self._order
        }
        self.survived = Survived(seed)

    def run(self) -> Survived:
        """Kills until all kills are done; every journey is played to its end."""
        hands = self._deal()
        missed: list[str] = []
        while hands or missed:
            assert len(self.survived.played) < self._kills, f"{missed} cannot be hit"
            hand = hands.pop() if hands else []
            missed = self._play(self._in_order([*hand, *missed]))
            if not hands and not missed and self._journeys_left():
                missed = self._lacking()
        return self.survived

    def _journeys_left(self) -> bool:
        return len(self.survived.played) < 2 * self._kills // _KILLS_PER_JOURNEY

    def _lacking(self) -> list[str]:
        """A target for each chapter that no kill happened to hit: some are over in milliseconds."""
        hit = set(self.survived.landed)
        chapters: dict[int, list[str]] = {}
        for step in steps():
            chapters.setdefault(step.chapter, []).append(step.name)
        return [
            self._chance.choice(names) for names in chapters.values() if not hit & set(names)
        ] + [name for name in (START, *HEAVY) if name not in hit]

    def _deal(self) -> list[list[str]]:
        """The kills as targets, a hand for each journey."""
        targets: list[str] = []
        while len(targets) < self._kills:
            bag = [*self._order, *[START] * _START_UP_KILLS, *HEAVY * _HEAVY_KILLS]
            bag += [DECISION] * _DECISION_KILLS
            self._chance.shuffle(bag)
            targets += bag
        journeys = max(1, self._kills // _KILLS_PER_JOURNEY)
        return [targets[: self._kills][first::journeys] for first in range(journeys)]

    def _in_order(self, hand: list[str]) -> list[str]:
        """As the journey meets them; the first start-up is that of a fresh home."""
        ordered = sorted((t for t in hand if t != START), key=self._place)
        starts = [target for target in hand if target == START]
        for number, start in enumerate(starts):
            ordered.insert(0 if number == 0 else self._chance.randint(1, len(ordered)), start)
        return ordered

    def _place(self, target: str) -> int:
        return self._order.index(_DECISIONS_AFTER if target == DECISION else target)

    def _play(self, hand: list[str]) -> list[str]:
        """Plays one journey; gives the targets that it had passed before they could be hit."""
        number = len(self.survived.played)
        home, port = self._folder / f"home-{number}", free_port()
        minter = Minter(home)
        server = MortalServer(home, port, ("--sample",))
        chance = random.Random(self._chance.getrandbits(32))
        ledger = Ledger(server.url, minter.mint, home / "sample.json", chance)
        self.survived.played.append(Played(home, ledger, server, minter))
        missed: list[str] = []
        targets = list(hand)
        try:
            while True:
                ledger.new_life()
                server.start()
                if not self._hit_one(server, ledger, targets, missed):
                    break
            self._wait_until_done(server)
            self._learn(home)
            ledger.close()
            self.survived.otherwise += repeat_writes(server.url, minter.mint, home)
        finally:
            server.stop()
        return missed

    def _hit_one(
        self, server: MortalServer, ledger: Ledger, targets: list[str], missed: list[str]
    ) -> bool:
        """Waits for the next target that is still ahead, and kills; False when none is left."""
        while targets:
            target = targets.pop(0)
            if target == START:
                time.sleep(self._chance.uniform(0, _START_SECONDS))
                self._kill(server)
                return True
            server.wait_until_ready()
            if target == DECISION:
                if not ledger.deciding.wait(_DECISION_COMES_SECONDS):
                    missed.append(target)
                    continue
                time.sleep(self._chance.uniform(0, _DECISION_SECONDS))
                self._kill(server)
                self.survived.decisions += 1
                return True
            came_at = time.monotonic()
            at_once = _current(server.home, self._order) == target
            while (step := _current(server.home, self._order)) != target:
                if step == DONE or self._order.index(step) > self._order.index(target):
                    break
                self._demand_progress(server, came_at)
                time.sleep(_POLL_SECONDS)
            if step != target:
                missed.append(target)
                continue
            usual = self._usual_seconds[target] + (_LOADER_SECONDS if at_once else 0.0)
            time.sleep(self._chance.uniform(0, usual * _BEYOND))
            self._kill(server)
            return True
        return False

    def _kill(self, server: MortalServer) -> None:
        was_ready = server.is_ready
        family = server.kill()
        # What the loader has noted by now is what it had noted then.
        self.survived.landed.append(_current(server.home, self._order) if was_ready else START)
        self.survived.left_behind.append(survivors(family, _LIVE_ON_SECONDS))

    def _wait_until_done(self, server: MortalServer) -> None:
        server.wait_until_ready()
        began = time.monotonic()
        while _current(server.home, self._order) != DONE:
            self._demand_progress(server, began)
            time.sleep(0.01)

    def _demand_progress(self, server: MortalServer, since: float) -> None:
        ended = server.exit_code
        assert ended is None, f"the server ended by itself with {ended}:\n{server.log[-4000:]}"
        waited = time.monotonic() - since
        assert waited < _LONGEST_JOURNEY_SECONDS, f"no progress:\n{server.log[-4000:]}"

    def _learn(self, home: Path) -> None:
        """How long steps take on this machine."""
        for step in json.loads((home / "sample.json").read_bytes())["steps"]:
            self._usual_seconds[step["name"]] = step["seconds"]


def _current(home: Path, order: Sequence[str]) -> str:
    """The first step that is not noted as done."""
    noted = home / "sample.json"
    if not noted.exists():
        return order[0]
    done = {step["name"] for step in json.loads(noted.read_bytes())["steps"]}
    return next((name for name in order if name not in done), DONE)
