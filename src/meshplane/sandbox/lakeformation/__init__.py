"""Lake Formation on this machine: settings, locations, grants, LF-tags, filters, and the decision.

Stateful and strict, written from AWS's documentation (each module names its pages), and apart from
the product's own policy. `atoms` takes what a permission is on apart, `state` keeps it, `granting`
and `listing` change and show it, `tagging` says what carries which tag, `decision` what a principal
may read, `sharing` goes to RAM.
"""

from meshplane.sandbox.lakeformation.decision import CellScope, TableAccess
from meshplane.sandbox.lakeformation.fake import LakeFormationFake

__all__ = ["CellScope", "LakeFormationFake", "TableAccess"]
