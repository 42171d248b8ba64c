"""Subscriptions: a project or a person asks to read an asset; whoever must says yes or no.

requested → approved → active → expired, or → revoking → revoked, or → renewed;
requested → rejected, or withdrawn.

Who must decide follows from the classification of what is asked for (`route`): nobody for public
data, one steward or owner, a steward, or two people. Nobody decides what he asked for, and nobody
decides twice. What approvers leave out adds up (`narrowing`). Whoever asked may change his request
while it is open; approvals of what it was before count no more. A decision is one commit; the grant
is made or removed right after it, and by a consumer of the decision's event if the process dies in
between. A subscription's end comes by itself, with a notice before (`expiring`). This service is
the only writer of its grants. It owns the table Subscriptions.
"""
