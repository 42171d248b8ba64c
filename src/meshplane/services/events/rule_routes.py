"""HTTP of rules, archives and replays."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.events.history import History
from meshplane.services.events.rule_schemas import RuleBody, RuleQuery, RuleView
from meshplane.services.events.rules import Rules
from meshplane.services.events.schemas import ArchiveBody, ArchiveView, ReplayBody, ReplayView


def rule_routes(rules: Rules, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/events/rules."""
    operations = Operations(boundary)

    @operations.read("/events/rules", "listRules")
    async def list_rules(call: Call, query: RuleQuery) -> Page[RuleView]:
        """All rules by name, those that come with the product too."""
        return await rules.list(call, query)

    @operations.write("PUT", "/events/rules/{name}", "putRule")
    async def put_rule(call: Call, name: str, body: RuleBody) -> RuleView:
        """Creates or replaces a rule. A new webhook's secret is in this answer, and in no other."""
        return await rules.put(call, name, body)

    @operations.read("/events/rules/{name}", "getRule")
    async def get_rule(call: Call, name: str) -> RuleView:
        """A rule."""
        return await rules.get(call, name)

    @operations.write("DELETE", "/events/rules/{name}", "deleteRule")
    async def delete_rule(call: Call, name: str) -> None:
        """Removes a rule."""
        await rules.delete(call, name)

    @operations.write("POST", "/events/rules/{name}/enable", "enableRule")
    async def enable_rule(call: Call, name: str) -> RuleView:
        """Lets a rule act on what happens from now on."""
        return await rules.set_state(call, name, enabled=True)

    @operations.write("POST", "/events/rules/{name}/disable", "disableRule")
    async def disable_rule(call: Call, name: str) -> RuleView:
        """Has a rule do nothing."""
        return await rules.set_state(call, name, enabled=False)

    return operations.routes


def history_routes(history: History, boundary: Boundary) -> list[OperationRoute]:
    """The routes of archives and replays under /api/v1/events."""
    operations = Operations(boundary)

    @operations.read("/events/archives", "listArchives")
    async def list_archives(call: Call, query: PageQuery) -> Page[ArchiveView]:
        """All archives by name."""
        return await history.list_archives(call, query)

    @operations.write("PUT", "/events/archives/{name}", "putArchive")
    async def put_archive(call: Call, name: str, body: ArchiveBody) -> ArchiveView:
        """Creates or replaces an archive."""
        return await history.put_archive(call, name, body)

    @operations.write("DELETE", "/events/archives/{name}", "deleteArchive")
    async def delete_archive(call: Call, name: str) -> None:
        """Removes an archive; the events stay."""
        await history.delete_archive(call, name)

    @operations.write("POST", "/events/replays", "startReplay", status=201)
    async def start_replay(call: Call, body: ReplayBody) -> ReplayView:
        """Gives events of an archive to the rules once more."""
        return await history.start_replay(call, body)

    @operations.read("/events/replays", "listReplays")
    async def list_replays(call: Call, query: PageQuery) -> Page[ReplayView]:
        """All replays, the latest first."""
        return await history.list_replays(call, query)

    @operations.read("/events/replays/{replay_id}", "getReplay")
    async def get_replay(call: Call, replay_id: str) -> ReplayView:
        """A replay."""
        return await history.get_replay(call, replay_id)

    @operations.write("POST", "/events/replays/{replay_id}/cancel", "cancelReplay")
    async def cancel_replay(call: Call, replay_id: str) -> ReplayView:
        """Ends a replay."""
        return await history.cancel_replay(call, replay_id)

    return operations.routes
