"""All that a mesh makes on AWS, as kinds, each before those that it cannot do without."""

from meshplane.platform.aws.calls import Aws
from meshplane.run.aws_remove import Kind
from meshplane.run.aws_remove_bus import bus_kinds, workflow_kinds
from meshplane.run.aws_remove_data import bucket_kinds, catalogue_kinds
from meshplane.run.aws_remove_lake import administrator_kinds, lake_kinds
from meshplane.run.aws_remove_mesh import portal_kinds, role_kinds, stack_kinds, store_kinds
from meshplane.run.aws_remove_own import Own
from meshplane.run.aws_remove_secrets import secret_kinds
from meshplane.run.aws_remove_shares import link_kinds, share_kinds


def kinds_of(aws: Aws) -> list[Kind]:
    """The kinds, in the order in which they are removed.

    Args:
        aws: as who removes: an administrator of the data lake, with the policy `remove`.
    """
    own = Own(aws)
    return [
        *workflow_kinds(aws),
        *bus_kinds(aws),
        *stack_kinds(own),
        *portal_kinds(aws),
        *link_kinds(own),
        *lake_kinds(own),
        *share_kinds(own),
        *catalogue_kinds(own),
        *administrator_kinds(own),
        *bucket_kinds(own),
        *store_kinds(aws),
        *secret_kinds(aws),
        *role_kinds(own),
    ]
