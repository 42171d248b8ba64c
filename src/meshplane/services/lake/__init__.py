"""The lake: what it holds of the policy, how that differs from what was granted, and its repair.

Two sides. What should be so, the desired grants, lies in permissions; what is so, the actual
grants, lies in the lake behind the port `LakeGrants` and is read back from there. A grant that is
made, changed or ended is carried into the lake at once by its event. Whatever differs later is
drift: missing (the lake lacks what was granted), changed (it holds another thing under the same
name), excess (it holds what nobody granted).

    permissions' event → Keeping.ensure(grant) → LakeGrants.apply → the grant's state in permissions
    clock or person    → compare both sides    → plan by each domain's policy → batches → the lake

What always holds:

- What the lake is known to lack or to hold otherwise is closed in permissions until it is mended.
- Excess is critical, and it is never kept in silence: it is removed, or adopted as a grant that
  everyone can see, or told of, as the domain's policy says. What the mesh put there itself, for a
  grant that has ended, is always removed.
- No policy gives back a right that was revoked or has ended: adoption refuses it.
- A repair decides by the grants that are in force when a batch runs, not when it was planned, and
  looks again afterwards; so it may die anywhere and be done again.
- Only administrators edit the embedded lake by hand, and what they take away closes at once.

Tags, their masks and expressions, and data filters are edited here and kept by permissions, which
decides by them. Registered locations are kept here.
"""
