"""Permissions: the policy of the mesh. Who may do what with which data, and since when.

All of the policy's state lies here: grants on databases, tables, columns, data filters, locations
and whatever carries certain tags; tags and their masks; data filters; and the history of them all,
a line in the commit of each change. Grants are a union, and none of them denies. A grant ends at
its date without anybody doing anything, and a revoke holds from the moment it returns.

    a person's request  → Granting, Taking → the grant's row + event + line of history: ONE commit
    a decision upwards  → PermissionsKeeper → the same
    a query, a write    → PermissionsKeeper.access, table_rights → `semantics.access`, pure
    a question          → Reading, Trying, LookingBack → the same pure functions, other inputs

What always holds:

- Nobody passes on more than he has, and nobody grants to himself but an administrator.
- Of a principal and a resource there is one grant by hand; a subscription's grant is apart, only
  the subscription's service writes it, and a revoked one never comes back.
- What the lake is known not to hold as it was granted lets nothing through.
- A grant that no longer fits its table is broken: it lets nothing through and says so.

What lies above is asked by operationId (`ports.Schemas`), and only when the policy is written or
explained. This service owns the tables Grants, AssetDomains, LfTags, TagAssignments, TagMasks,
TagExpressions, DataFilters and AccessHistory.
"""
