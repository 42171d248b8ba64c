"""Domains: the parts of an organisation that own data, and who holds which role in them.

A domain owns the bucket `data-lake-{name}`, on AWS with account and region in its name. Names of
domains are unique in the mesh. Roles: an owner runs the domain, a steward decides who may read its
data, a viewer looks on. A role is held by a user or by a group. This service owns the tables
Domains, DomainNames and DomainMembers.
"""
