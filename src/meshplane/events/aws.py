"""The bus on EventBridge: names, and what is where. Pure.

outbox → `EventBridgePublisher` → bus `datamesh-events` → rules, put by `EventBridgeRules` from the
same `Rule`s that the embedded bus reads → targets. A target that AWS itself can reach (a queue, a
function, an HTTP address, a state machine) gets the event from EventBridge. Every other one gets it
through the mesh's own queue, `RuleMessages`, which hands it on as the embedded bus does: in the
name of the rule's author, once per event, with signatures and dead letters as at home.

What differs from the embedded bus, and cannot be helped:

- EventBridge matches with its own matcher. Patterns that it refuses are listed as problems; the
  embedded matcher follows the same documents and the same recorded answers.
- It delivers at least once and in no order. Its own `id` is another one for each time that an entry
  is accepted, so the event's id of the mesh stands among `resources`, as `meshplane:event/<id>`.
- A rule gets what comes after it was put; `since` of a rule has no effect.
- Its waits between retries are its own, and not documented.
- A custom bus takes no schedules: these are schedules of EventBridge Scheduler, which fires at
  least once, to the minute, and makes up for nothing that it missed (`on_missed` has no effect).

Sources: EventBridge User Guide ("Event bus concepts", "Quotas"), API Reference (`PutEvents`,
`PutRule`, `PutTargets`), EventBridge Scheduler User Guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from meshplane.events.envelope import BUS
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.events import StoredEvent

EVENT_MARK = "meshplane:event/"
HOPS_MARK = "meshplane:hops/"
TAG = "meshplane"
"""The tag that marks what this mesh made; its value is the mesh's prefix, or `mesh`."""


@dataclass(frozen=True, slots=True)
class BusPlaces:
    """Where the parts of the bus are in an account.

    Args:
        place: region, account and prefix.
        mesh_queue_arn: the SQS queue of `RuleMessages`.
        dead_letter_arn: the SQS queue for what EventBridge could not deliver.
        scheduler_role_arn: the role that EventBridge Scheduler takes to send to the mesh's queue.
        target_role_arn: the role that EventBridge takes for state machines, API destinations and
            other buses; without it there are no such targets.
        queue_arns: SQS queues that targets of type `queue` reach directly, by their names.
        function_arns: Lambda functions by the names of the platform's functions.
        machine_arns: state machines that the product's own rules start directly, by name. What is
            started so has a name that EventBridge gives it, and may start twice for one event.
        webhooks: `mesh`: the mesh sends them, signed, from `RuleMessages`; `api_destination`:
            EventBridge does, with the key in a header in place of a signature.
        name: of the bus, without the prefix.
    """

    place: AwsPlace
    mesh_queue_arn: str
    dead_letter_arn: str
    scheduler_role_arn: str
    target_role_arn: str | None = None
    queue_arns: Mapping[str, str] = field(default_factory=dict)
    function_arns: Mapping[str, str] = field(default_factory=dict)
    machine_arns: Mapping[str, str] = field(default_factory=dict)
    webhooks: Literal["mesh", "api_destination"] = "mesh"
    name: str = BUS

    @property
    def bus_name(self) -> str:
        """The bus's name on AWS."""
        return f"{self.place.prefix}{self.name}"

    @property
    def bus_arn(self) -> str:
        """The bus's ARN."""
        return f"arn:aws:events:{self._at}:event-bus/{self.bus_name}"

    @property
    def schedule_group(self) -> str:
        """The group of the mesh's schedules: all in it are the mesh's."""
        return self.bus_name

    @property
    def owner(self) -> str:
        """The value of the tag `meshplane`."""
        return self.place.prefix.rstrip("-") or "mesh"

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tag, as EventBridge takes it."""
        return [{"Key": TAG, "Value": self.owner}]

    def rule_arn(self, rule: str) -> str:
        """The ARN of a rule on the bus."""
        return f"arn:aws:events:{self._at}:rule/{self.bus_name}/{rule}"

    @property
    def _at(self) -> str:
        return f"{self.place.region}:{self.place.account}"


def resources_of(event: StoredEvent) -> list[str]:
    """What stands in `resources`: the entity, the event's own id, and its hops if it has any."""
    marks = [event.entity, f"{EVENT_MARK}{event.event_id}"]
    return [*marks, f"{HOPS_MARK}{event.hops}"] if event.hops else marks


@dataclass(frozen=True, slots=True)
class Marks:
    """What `resources` of an event from the bus say.

    Args:
        event_id: the event's own; EventBridge's where somebody else put it on the bus.
        hops: how many rules and workflows led to it.
        rest: the resources proper.
    """

    event_id: str
    hops: int
    rest: tuple[str, ...]


def marks_of(envelope: Mapping[str, object]) -> Marks:
    """The marks of an event as EventBridge delivers it."""
    given = envelope.get("resources")
    resources = [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
    event_id, hops, rest = str(envelope.get("id", "")), 0, []
    for one in resources:
        if one.startswith(EVENT_MARK):
            event_id = one.removeprefix(EVENT_MARK)
        elif one.startswith(HOPS_MARK) and one.removeprefix(HOPS_MARK).isdecimal():
            hops = int(one.removeprefix(HOPS_MARK))
        else:
            rest.append(one)
    return Marks(event_id, hops, tuple(rest))
