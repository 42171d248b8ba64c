"""A portal in memory: domains, projects, products and requests as an adapter has to show them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.services.assets.ports import ACTIVE, INACTIVE, Product, ProductThere
from meshplane.services.catalog.ports import FormTypeThere, WordThere
from meshplane.services.domains.ports import DomainThere
from meshplane.services.lineage.ports import DONE, LineageRun
from meshplane.services.projects.ports import ProjectThere
from meshplane.services.quality.ports import ScorePoint
from meshplane.services.subscriptions.ports import (
    ACCEPTED,
    APPROVED,
    PENDING,
    REJECTED,
    REVOKED,
    RequestThere,
    Subscriber,
)

_WORDS = ("term ", "terms of ", "form ")


@dataclass
class PortalState:
    """What all parts of the portal share; `calls` counts what changed it."""

    domains: dict[str, DomainThere] = field(default_factory=dict)
    owners: dict[str, set[str]] = field(default_factory=dict)
    projects: dict[str, ProjectThere] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    products: dict[str, ProductThere] = field(default_factory=dict)
    own_ids: dict[str, str] = field(default_factory=dict)
    requests: dict[str, RequestThere] = field(default_factory=dict)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    grants: dict[str, str] = field(default_factory=dict)
    runs: dict[str, LineageRun] = field(default_factory=dict)
    points: dict[str, dict[str, ScorePoint]] = field(default_factory=dict)
    glossaries: dict[str, WordThere] = field(default_factory=dict)
    terms: dict[str, WordThere] = field(default_factory=dict)
    books: dict[str, str] = field(default_factory=dict)
    forms: dict[str, FormTypeThere] = field(default_factory=dict)
    calls: int = 0

    def new(self, kind: str) -> str:
        """A new id; making one is a change."""
        self.calls += 1
        return f"{kind}{self.calls}"


class TwinDomains:
    """`DomainPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def ensure(self, name: str, description: str) -> DomainThere:
        for there in self._state.domains.values():
            if there.name == name:
                return there
        made = DomainThere(self._state.new("unit"), name, description)
        self._state.domains[made.portal_id] = made
        return made

    async def look(self, portal_id: str) -> DomainThere | None:
        return self._state.domains.get(portal_id)

    async def change(self, portal_id: str, name: str, description: str) -> DomainThere:
        self._state.calls += 1
        self._state.domains[portal_id] = DomainThere(portal_id, name, description)
        return self._state.domains[portal_id]

    async def owners(self, portal_id: str) -> Set[str]:
        return set(self._state.owners.get(portal_id, ()))

    async def add_owner(self, portal_id: str, member: str) -> None:
        if member not in self._state.owners.setdefault(portal_id, set()):
            self._state.calls += 1
            self._state.owners[portal_id].add(member)

    async def remove_owner(self, portal_id: str, member: str) -> None:
        if member in self._state.owners.setdefault(portal_id, set()):
            self._state.calls += 1
            self._state.owners[portal_id].remove(member)


class TwinProjects:
    """`ProjectPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def ensure(self, domain: str, name: str, description: str) -> ProjectThere:
        for there in self._state.projects.values():
            if there.name == name:
                if self._state.homes[there.portal_id] != domain:
                    raise Conflict("PORTAL_NAME_TAKEN", "It is in another domain.")
                return there
        made = ProjectThere(self._state.new("project"), name, description)
        self._state.projects[made.portal_id] = made
        self._state.homes[made.portal_id] = domain
        self._state.members[made.portal_id] = {}
        return made

    async def look(self, portal_id: str) -> ProjectThere | None:
        return self._state.projects.get(portal_id)

    async def change(self, portal_id: str, name: str, description: str) -> ProjectThere:
        self._state.calls += 1
        self._state.projects[portal_id] = ProjectThere(portal_id, name, description)
        return self._state.projects[portal_id]

    async def members(self, portal_id: str) -> Mapping[str, str]:
        return dict(self._state.members[portal_id])

    async def put_member(self, portal_id: str, member: str, role: str) -> None:
        if self._state.members[portal_id].get(member) != role:
            self._state.calls += 1
            self._state.members[portal_id][member] = role

    async def remove_member(self, portal_id: str, member: str) -> None:
        self._state.calls += 1
        self._state.members[portal_id].pop(member, None)


class TwinAssets:
    """`AssetPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def ensure(self, project: str, product: Product) -> ProductThere:
        known = self._state.own_ids.get(product.own_id)
        if known is not None and known in self._state.products:
            return self._state.products[known]
        made = ProductThere(self._state.new("asset"), "1", dict(product.said))
        self._state.own_ids[product.own_id] = made.portal_id
        return self._put(made)

    async def look(self, portal_id: str) -> ProductThere | None:
        return self._state.products.get(portal_id)

    async def revise(self, portal_id: str, product: Product) -> ProductThere:
        self._state.calls += 1
        known = self._state.products[portal_id]
        revision = str(int(known.revision) + 1)
        # What is not said at all, others have added; what is said to be empty goes.
        said = {**known.said, **product.said}
        kept = {name: text for name, text in said.items() if text or not name.startswith(_WORDS)}
        return self._put(replace(known, revision=revision, said=kept))

    async def publish(self, portal_id: str) -> ProductThere:
        known = self._state.products[portal_id]
        if (known.listing, known.listed_revision) == (ACTIVE, known.revision):
            return known
        self._state.calls += 1
        listing = known.listing_id or self._state.new("listing")
        shown = replace(known, listing=ACTIVE, listing_id=listing, listed_revision=known.revision)
        return self._put(shown)

    async def withdraw(self, portal_id: str) -> ProductThere:
        self._state.calls += 1
        return self._put(replace(self._state.products[portal_id], listing=INACTIVE))

    def _put(self, product: ProductThere) -> ProductThere:
        self._state.products[product.portal_id] = product
        return product


class TwinSubscriptions:
    """`SubscriptionPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def ask(
        self, subscriber: Subscriber, listing_id: str, own_id: str, reason: str
    ) -> RequestThere:
        state, key = self._state, (subscriber.portal_id, listing_id)
        if own_id in state.tokens:
            return state.requests[state.tokens[own_id]]
        for request_id, asked in state.asked.items():
            known = state.requests.get(request_id)
            if asked == key and known is not None and known.status == PENDING:
                return known
        made = RequestThere(state.new("request"), PENDING)
        state.tokens[own_id] = made.request_id
        state.asked[made.request_id] = key
        state.reasons[made.request_id] = reason
        return self._put(made)

    async def look(self, request_id: str) -> RequestThere | None:
        return self._state.requests.get(request_id)

    async def request_of(self, subscription_id: str) -> str | None:
        for known in self._state.requests.values():
            if known.subscription_id == subscription_id:
                return known.request_id
        return None

    async def reword(self, subscriber: Subscriber, request_id: str, reason: str) -> None:
        self._state.calls += 1
        self._state.reasons[request_id] = reason

    async def withdraw(self, subscriber: Subscriber, request_id: str) -> None:
        known = self._state.requests.get(request_id)
        if known is not None and known.status == PENDING:
            self._state.calls += 1
            del self._state.requests[request_id]

    async def accept(self, request_id: str, comment: str) -> RequestThere:
        known = self._state.requests[request_id]
        if known.status != PENDING:
            return known
        subscription = self._state.new("subscription")
        return self._put(RequestThere(request_id, ACCEPTED, subscription, APPROVED))

    async def reject(self, request_id: str, comment: str) -> RequestThere:
        known = self._state.requests[request_id]
        if known.status != PENDING:
            return known
        self._state.calls += 1
        return self._put(RequestThere(request_id, REJECTED))

    async def grant(self, subscriber: Subscriber, subscription_id: str) -> str:
        if subscription_id not in self._state.grants:
            self._state.grants[subscription_id] = self._state.new("grant")
        return self._state.grants[subscription_id]

    async def revoke(self, subscription_id: str, grant_id: str = "") -> None:
        for known in list(self._state.requests.values()):
            if (known.subscription_id, known.subscription) == (subscription_id, APPROVED):
                self._state.calls += 1
                self._put(replace(known, subscription=REVOKED))
        self._state.grants.pop(subscription_id, None)

    def _put(self, request: RequestThere) -> RequestThere:
        self._state.requests[request.request_id] = request
        return request


class TwinLineage:
    """`LineagePortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def post(self, token: str, run: LineageRun) -> str:
        if token not in self._state.runs:
            self._state.calls += 1
            self._state.runs[token] = run
        return token

    async def state(self, portal_id: str) -> str:
        assert portal_id in self._state.runs
        return DONE


class TwinQuality:
    """`QualityPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def post(self, asset: str, point: ScorePoint) -> None:
        points = self._state.points.setdefault(asset, {})
        if points.get(point.at) != point:
            self._state.calls += 1
            points[point.at] = point

    async def points(self, asset: str) -> Sequence[tuple[str, float]]:
        points = self._state.points.get(asset, {})
        return sorted(((at, one.percentage) for at, one in points.items()), reverse=True)


class TwinGlossaries:
    """`GlossaryPortal` in memory."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def ensure_glossary(self, said: Mapping[str, str]) -> WordThere:
        for there in self._state.glossaries.values():
            if there.said["name"] == said["name"]:
                return there
        made = WordThere(self._state.new("glossary"), dict(said))
        self._state.glossaries[made.portal_id] = made
        return made

    async def look_glossary(self, portal_id: str) -> WordThere | None:
        return self._state.glossaries.get(portal_id)

    async def change_glossary(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        self._state.calls += 1
        self._state.glossaries[portal_id] = WordThere(portal_id, dict(said))
        return self._state.glossaries[portal_id]

    async def ensure_term(self, glossary: str, said: Mapping[str, str]) -> WordThere:
        for there in self._state.terms.values():
            known = (self._state.books[there.portal_id], there.said["name"])
            if known == (glossary, said["name"]):
                return there
        made = WordThere(self._state.new("term"), dict(said))
        self._state.terms[made.portal_id] = made
        self._state.books[made.portal_id] = glossary
        return made

    async def look_term(self, portal_id: str) -> WordThere | None:
        return self._state.terms.get(portal_id)

    async def change_term(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        self._state.calls += 1
        self._state.terms[portal_id] = WordThere(portal_id, dict(said))
        return self._state.terms[portal_id]

    async def remove_term(self, portal_id: str) -> bool:
        if any(f"term {portal_id}" in one.said for one in self._state.products.values()):
            return False
        if self._state.terms.pop(portal_id, None) is not None:
            self._state.calls += 1
        return True

    async def look_form(self, name: str) -> FormTypeThere | None:
        return self._state.forms.get(name)

    async def revise_form(self, name: str, model: str, description: str) -> FormTypeThere:
        self._state.calls += 1
        known = self._state.forms.get(name)
        revision = str(int(known.revision) + 1 if known else 1)
        self._state.forms[name] = FormTypeThere(name, revision, model)
        return self._state.forms[name]


class TwinOthers:
    """Other people's hands in the portal."""

    def __init__(self, state: PortalState) -> None:
        self._state = state

    async def describe_domain(self, portal_id: str, text: str) -> None:
        known = self._state.domains[portal_id]
        self._state.domains[portal_id] = replace(known, description=text)

    async def delete_domain(self, portal_id: str) -> None:
        del self._state.domains[portal_id]

    async def describe_project(self, portal_id: str, text: str) -> None:
        known = self._state.projects[portal_id]
        self._state.projects[portal_id] = replace(known, description=text)

    async def add_member(self, portal_id: str, role_arn: str) -> None:
        self._state.members[portal_id][f"role:{role_arn}"] = "viewer"

    async def drop_member(self, portal_id: str, role_arn: str) -> None:
        del self._state.members[portal_id][f"role:{role_arn}"]

    async def describe_product(self, portal_id: str, text: str) -> None:
        known = self._state.products[portal_id]
        said: dict[str, Any] = {**known.said, "description": text}
        revised = replace(known, said=said, revision=str(int(known.revision) + 1))
        self._state.products[portal_id] = revised

    async def withdraw_product(self, portal_id: str) -> None:
        known = self._state.products[portal_id]
        self._state.products[portal_id] = replace(known, listing=INACTIVE)

    async def describe_term(self, portal_id: str, text: str) -> None:
        known = self._state.terms[portal_id]
        said = {**known.said, "shortDescription": text}
        self._state.terms[portal_id] = replace(known, said=said)

    async def delete_term(self, portal_id: str) -> None:
        del self._state.terms[portal_id]

    async def put_term(self, portal_id: str, term: str) -> None:
        known = self._state.products[portal_id]
        said = {**known.said, f"term {term}": "on"}
        revised = replace(known, said=said, revision=str(int(known.revision) + 1))
        self._state.products[portal_id] = revised

    async def revise_form(self, name: str, model: str) -> None:
        await TwinGlossaries(self._state).revise_form(name, model, "")

    async def accept(self, request_id: str) -> None:
        await TwinSubscriptions(self._state).accept(request_id, "by hand")

    async def revoke(self, subscription_id: str) -> None:
        await TwinSubscriptions(self._state).revoke(subscription_id)

    async def grant_state(self, subscription_id: str) -> str:
        """`GRANTED`, or empty where there is no grant."""
        return "GRANTED" if subscription_id in self._state.grants else ""

    async def reason(self, request_id: str) -> str:
        return self._state.reasons[request_id]

    def changes(self) -> int:
        """How many changes were made so far."""
        return self._state.calls
