"""Who may grant, revoke and administer.

From the Developer Guide: *Implicit Lake Formation permissions* (an administrator grants and revokes
anything to anybody in his catalogue; he does not thereby read it), *Notes and restrictions for
column-level filtering* (passing on columns or fewer; all rows are needed to grant on columns),
*Data filtering limitations*, *Granting permissions on Data Catalog resources* (what came from
another account is passed on by that account's administrators, within it).
"""

from collections.abc import Callable, Iterable, Iterator

from meshplane.sandbox.fake import Caller
from meshplane.sandbox.lakeformation.atoms import ALL_TABLES, Atom
from meshplane.sandbox.lakeformation.state import State
from meshplane.sandbox.lakeformation.tagging import column_tags, matches, policy_terms


def is_admin(caller: Caller, state: State) -> bool:
    """Whether the caller is an administrator of the data lake of his own account."""
    return caller.account == state.account and caller.arn in state.admins()


def everybody_of(account: str) -> str:
    """The group of all principals of an account."""
    return f"{account}:IAMPrincipals"


def covering(atom: Atom) -> Iterable[Atom]:
    """The atoms whose permissions hold on this one too, itself among them."""
    yield atom
    if atom.kind == "table" and atom.table != ALL_TABLES:
        yield Atom("table", atom.catalog, atom.database, ALL_TABLES)
    if atom.kind in {"column", "columns", "filter"}:
        whole = Atom("columns", atom.catalog, atom.database, atom.table)
        yield whole
        yield Atom("columns", atom.catalog, atom.database, ALL_TABLES)
        yield Atom("table", atom.catalog, atom.database, atom.table)
        yield Atom("table", atom.catalog, atom.database, ALL_TABLES)


def may_pass_on(state: State, principals: Iterable[str], atom: Atom, permission: str) -> bool:
    """Whether one of these principals holds a permission on an atom with the grant option.

    Args:
        state: where the grants are kept.
        principals: who the caller is, his groups among them.
        atom: what is to be granted on.
        permission: what is to be granted.
    """
    return any(
        True for principal in principals for _ in _rights(state, principal, atom, permission)
    )


def received(  # noqa: PLR0917
    owner: State, account: str, groups: Iterable[str], atom: Atom, permission: str, shared: "Shared"
) -> bool:
    """Whether another account's atom was given to a whole account with the grant option.

    Of what came only in part, columns, rows or what carries some tags, an administrator may grant
    SELECT on all: those who are granted to see the part that came.

    Args:
        owner: the state of the account that the atom is of.
        account: who received it.
        groups: the organizations that it belongs to.
        atom: what is to be passed on.
        permission: what of it.
        shared: whether a share has been accepted.
    """
    for principal in (account, *groups):
        rights = list(_rights(owner, principal, atom, permission))
        if permission == "SELECT":
            rights += _parts(owner, principal, atom)
        if any(shared(principal, one) for one in rights):
            return True
    return False


Shared = Callable[[str, Atom], bool]
"""Whether an atom of another catalogue has been shared with a principal, and it was accepted."""


def _rights(state: State, principal: str, atom: Atom, permission: str) -> Iterator[Atom]:
    """The atoms by which a principal may pass a permission on."""
    for one in covering(atom):
        held = state.held(principal, one)
        if held.get("ALL") or held.get(permission):
            yield one
    if atom.kind == "policy" and _tags_passed_on(state, principal, atom):
        yield atom


def _tags_passed_on(state: State, principal: str, atom: Atom) -> bool:
    """Whoever may grant with all values of an expression may grant on the expression."""
    right = "GRANT_WITH_LF_TAG_EXPRESSION"
    if atom.value:
        saved = Atom("expression", atom.catalog, name=atom.value)
        return right in state.held(principal, saved)
    return bool(atom.terms) and all(
        right in state.held(principal, Atom("tag", atom.catalog, name=key, value=value))
        or right in state.held(principal, Atom("tag", atom.catalog, name=key, value="*"))
        for key, values in atom.terms
        for value in values
    )


def _parts(owner: State, principal: str, atom: Atom) -> Iterator[Atom]:
    """What a principal may pass on of a part of a table."""
    for one, held in owner.of(principal):
        if not (held.get("SELECT") or held.get("ALL")):
            continue
        if one.kind in {"column", "columns", "filter"} and one.table == atom.table:
            if one.database == atom.database:
                yield one
        elif one.kind == "policy" and one.name == "TABLE" and atom.table:
            terms = policy_terms(owner, one)
            columns = owner.glue.columns(atom.database, atom.table) or {}
            if any(
                matches(terms, column_tags(owner, atom.database, atom.table, name))
                for name in columns
            ):
                yield one
