"""Projects: teams inside a domain that make and use data products, and who works in them.

Project names are unique within their domain. An owner runs the project, a contributor makes tables
and assets and asks for subscriptions, a viewer reads what the project may read. This service owns
the tables Projects, ProjectNames and ProjectMembers.
"""
