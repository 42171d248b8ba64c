"""What of a grant an engine can carry that keeps a table's rows outside of the lake. Pure.

There, its own rights let people in (see `services/query/aws_redshift_compiling.py`), and they know
less. What a single grant asks for in vain is refused when it is made; what several grants come to
together is told when it is carried.
"""

from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.services.permissions.model import GovernedAsset, Grant, in_order

REDSHIFT = "redshift"
_CARRIED = frozenset({"SELECT", "DESCRIBE"})


def demand_carried(grant: Grant, asset: GovernedAsset) -> None:
    """Refuses a grant of what the engine that keeps the table cannot be told.

    Args:
        grant: on the table, or on parts of it.
        asset: the table.

    Raises:
        Invalid: PERMISSION_NOT_CARRIED, the engine is told of no more than reading; MASK_INVALID,
            every column that is granted is masked, and so left out there.
    """
    if asset.engine != REDSHIFT:
        return
    name = f"{asset.domain_name}.{asset.name}"
    if beyond := in_order(grant.permissions - _CARRIED):
        raise Invalid(
            "PERMISSION_NOT_CARRIED",
            f"{name} lies in Redshift, where the mesh lets others read and nothing else: leave "
            f"{', '.join(beyond)} out.",
            field="permissions",
        )
    shown = _shown(grant, asset)
    masked = [one for one in shown if one in grant.masks and grant.masks[one].kind != "none"]
    if shown and len(masked) == len(shown):
        raise Invalid(
            "MASK_INVALID",
            f"{name} lies in Redshift, which leaves out what is masked: the grant would show "
            "nothing. Leave a column unmasked.",
            fields=[FieldProblem(f"masks.{one}", "leaves nothing") for one in masked],
        )


def _shown(grant: Grant, asset: GovernedAsset) -> list[str]:
    """The columns that a grant shows, masked or not."""
    target = grant.target
    included, excluded = target.included, target.excluded or ()
    if target.kind == "rows":
        included = tuple(column.name for column in grant.columns)
    names = [column.name for column in asset.columns]
    return [one for one in names if (included is None or one in included) and one not in excluded]
