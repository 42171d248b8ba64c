"""Subscriptions: a project asks to read an asset, a steward decides, the grant follows.

requested → approved → active → revoking → revoked, or requested → rejected. An active one whose
date has passed is shown as expired: its grant ended by itself. A decision is one commit; the grant
is made or removed right after it, and by a consumer of the decision's event if the process dies in
between. Nobody decides his own request. This service owns the table Subscriptions.
"""
