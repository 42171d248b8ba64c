"""The operations on saved LF-tag expressions.

From the API's model: an expression's tags must be there; changing it changes at once what all
grants that go by it reach; deleting it deletes those grants.
"""

from typing import Any

from meshplane.sandbox.fake import Caller, FakeError, Handler
from meshplane.sandbox.lakeformation.atoms import (
    Atom,
    expression_of,
    invalid,
    plain_catalog,
    terms_of,
)
from meshplane.sandbox.lakeformation.authority import is_admin
from meshplane.sandbox.lakeformation.granting import Accounts, need_tags
from meshplane.sandbox.lakeformation.permissions import denied
from meshplane.sandbox.lakeformation.state import SavedExpression, State
from meshplane.sandbox.paging import page

_PAGE = 100
_MOST_EXPRESSIONS = 1000


class ExpressionOperations:
    """Create, read, change and delete."""

    def __init__(self, accounts: Accounts) -> None:
        """See the class.

        Args:
            accounts: the states of all accounts.
        """
        self._accounts = accounts

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "CreateLFTagExpression": self._create,
            "GetLFTagExpression": self._get,
            "UpdateLFTagExpression": self._update,
            "DeleteLFTagExpression": self._delete,
            "ListLFTagExpressions": self._list,
        }

    def _home(self, caller: Caller, given: dict[str, Any]) -> State:
        if plain_catalog(given.get("CatalogId"), caller.account) != caller.account:
            raise denied("LF-tag expressions of another account are not managed from here.")
        return self._accounts.state(caller.account, caller.region)

    def _create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        if not is_admin(caller, state) and "CREATE_LF_TAG_EXPRESSION" not in state.held(
            caller.arn, Atom("catalog", state.account)
        ):
            raise denied("Required Create LF-tag expression on the catalog.")
        if given["Name"] in state.expressions:
            raise invalid("There is an LF-tag expression of this name.")
        if len(state.expressions) >= _MOST_EXPRESSIONS:
            raise FakeError("ResourceNumberLimitExceededException", "There are 1,000 expressions.")
        self._save(state, given, given.get("Description"))
        return {}

    def _get(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        return _shown(state, given["Name"], _need(state, given["Name"]))

    def _update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        before = _need(state, given["Name"])
        _manage(caller, state, given["Name"], "ALTER")
        self._save(state, given, given.get("Description", before.description))
        return {}

    def _delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        _need(state, given["Name"])
        _manage(caller, state, given["Name"], "DROP")
        del state.expressions[given["Name"]]
        for (principal, atom), _ in state.grants.items():
            by_it = atom.kind == "policy" and atom.value == given["Name"]
            itself = atom.kind == "expression" and atom.name == given["Name"]
            if by_it or itself:
                state.put(principal, atom, {}, caller.session_arn)
                self._accounts.share(state, principal)
        return {}

    def _list(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        state = self._home(caller, given)
        shown, token = page(sorted(state.expressions.items()), given, size=_PAGE)
        answer: dict[str, Any] = {
            "LFTagExpressions": [_shown(state, name, one) for name, one in shown]
        }
        return {**answer, "NextToken": token} if token else answer

    def _save(self, state: State, given: dict[str, Any], description: str | None) -> None:
        terms = terms_of(given["Expression"])
        if not terms:
            raise invalid("An LF-tag expression needs a key.")
        need_tags(state, terms)
        state.expressions[given["Name"]] = SavedExpression(terms, description)


def _need(state: State, name: str) -> SavedExpression:
    found = state.expressions.get(name)
    if found is None:
        raise FakeError("EntityNotFoundException", "There is no LF-tag expression of this name.")
    return found


def _manage(caller: Caller, state: State, name: str, permission: str) -> None:
    held = state.held(caller.arn, Atom("expression", state.account, name=name))
    if not is_admin(caller, state) and permission not in held:
        raise denied(f"Required {permission} on the LF-tag expression.")


def _shown(state: State, name: str, saved: SavedExpression) -> dict[str, Any]:
    described = {} if saved.description is None else {"Description": saved.description}
    return {
        "Name": name,
        "CatalogId": state.account,
        "Expression": expression_of(saved.terms),
        **described,
    }
