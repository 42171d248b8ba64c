"""The fake of DataZone: finds the domain and the user of a call, and the handler that answers it.

Every operation inside a domain is a user's of it. The one who made the domain is; every other role
or user of IAM must be made one first (`CreateUserProfile`).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from meshplane.sandbox.datazone.assets import Assets
from meshplane.sandbox.datazone.data_products import DataProducts
from meshplane.sandbox.datazone.data_sources import DataSources
from meshplane.sandbox.datazone.domain_units import DomainUnits
from meshplane.sandbox.datazone.domains import Domains
from meshplane.sandbox.datazone.environments import Environments
from meshplane.sandbox.datazone.filters import AssetFilters
from meshplane.sandbox.datazone.glossaries import Glossaries
from meshplane.sandbox.datazone.lineage import Lineage
from meshplane.sandbox.datazone.listings import Listings
from meshplane.sandbox.datazone.people import People, user_of
from meshplane.sandbox.datazone.projects import Projects
from meshplane.sandbox.datazone.search import Searches
from meshplane.sandbox.datazone.state import Act, Domain, Item, State, denied, invalid, missing
from meshplane.sandbox.datazone.subscription_grants import SubscriptionGrants
from meshplane.sandbox.datazone.subscriptions import Subscriptions
from meshplane.sandbox.datazone.time_series import TimeSeries
from meshplane.sandbox.datazone.types import Types
from meshplane.sandbox.fake import Caller, Handler, World

Inner = Callable[[Act, dict[str, Any]], Item]
"""Answers an operation of a domain; may give more members than the answer has."""

_PARTS: tuple[Any, ...] = (
    DomainUnits, People, Projects, Types, Assets, AssetFilters, Listings, Searches, Glossaries,
    DataProducts, DataSources, Environments, Subscriptions, SubscriptionGrants, Lineage, TimeSeries,
)  # fmt: skip
# What an administrator of the account does with IAM's leave alone.
_OF_THE_ACCOUNT = frozenset({"CreateUserProfile", "GetUserProfile", "SearchUserProfiles"})


class DataZoneFake:
    """DataZone in one process.

    Its events lie in `events`, each as EventBridge would deliver it. Every one goes to `on_event`
    as it happens: to moto's default bus, until something else is set.

    Args:
        world: what all fakes share.
    """

    service = "datazone"

    def __init__(self, world: World) -> None:
        self.state = State(world)
        inner: dict[str, Inner] = {}
        for part in _PARTS:
            inner.update(part().handlers)
        handlers: dict[str, Handler] = dict(Domains(self.state).handlers)
        handlers.update({name: self._inside(name, answer) for name, answer in inner.items()})
        self.handlers: Mapping[str, Handler] = {
            name: _fitting(name, handler) for name, handler in handlers.items()
        }
        world.services[self.service] = self

    @property
    def events(self) -> list[Item]:
        """All events so far, oldest first."""
        return self.state.events

    @property
    def on_event(self) -> Callable[[Item], None] | None:
        """Called with every event."""
        return self.state.on_event

    @on_event.setter
    def on_event(self, call: Callable[[Item], None] | None) -> None:
        self.state.on_event = call

    def forget(self) -> None:
        """Begins anew: no domains, no tokens, no events."""
        self.state.forget()

    def _inside(self, name: str, answer: Inner) -> Handler:
        def handle(caller: Caller, given: dict[str, Any]) -> Item:
            domain = self._domain(caller, given["domainIdentifier"])
            user = user_of(domain, caller)
            if user is None and not (
                name in _OF_THE_ACCOUNT and caller.account == domain.item["_account"]
            ):
                raise denied(f"{caller.arn} is not a user of domain {domain.item['id']}.")
            token = given.get("clientToken") or ""
            rest = {key: part for key, part in given.items() if key != "clientToken"}
            act = Act(self.state, caller, domain, user or caller.arn, token)
            if not token:
                return answer(act, rest)
            key = (name, domain.item["id"], caller.arn, token)
            return self.state.once(key, rest, lambda: answer(act, rest))

        return handle

    def _domain(self, caller: Caller, identifier: str) -> Domain:
        domain = self.state.domains.get(identifier)
        if domain is None:
            raise missing("Domain", identifier)
        if caller.account != domain.item["_account"] and user_of(domain, caller) is None:
            raise denied(f"Account {caller.account} has no part in domain {identifier}.")
        Domains(self.state).settle(domain)
        if domain.item["status"] != "AVAILABLE":
            raise invalid(f"Domain {identifier} is {domain.item['status']}, not AVAILABLE.")
        return domain


def _fitting(name: str, handler: Handler) -> Handler:
    """A handler whose answer has the members of the operation's answer and no others."""

    def handle(caller: Caller, given: dict[str, Any]) -> Item:
        answer = handler(caller, dict(given))
        shape = _model().operation_model(name).output_shape
        fitted: Item = {} if shape is None else _fitted(shape, answer)
        return fitted

    return handle


def _fitted(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {
            name: _fitted(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [_fitted(shape.member, one) for one in value]
    if shape.type_name == "map":
        return {key: _fitted(shape.value, one) for key, one in value.items()}
    return value


@cache
def _model() -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("datazone", "service-2"), "datazone")
