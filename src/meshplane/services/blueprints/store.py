"""The tables of the blueprints service."""

from meshplane.platform.tables import Index, Table

BY_PROJECT = "projectId-timestamp-index"

DEPLOYMENT_HISTORY = Table(
    "DeploymentHistory",
    "deploymentId",
    "timestamp",
    indexes=(
        Index(BY_PROJECT, "projectId", "timestamp"),
        Index("environment-timestamp-index", "environment", "timestamp"),
    ),
    expires="expirationTime",
    numbers=("timestamp",),
)
"""`timestamp`, `startTime` and `endTime` are epoch milliseconds, `expirationTime` epoch seconds."""

DEPLOYMENT_EVENTS = Table(
    "DeploymentEvents", "deploymentId", "number", expires="expirationTime", numbers=("number",)
)
"""What happened to a deployment's stack, numbered from 1 in the order in which it was told."""

LOCAL_STACKS = Table("LocalStacks", "stack", "generation")
"""Stacks as this machine records them: nothing is made of them. `generation` counts those that had
the name, in eight digits."""

TABLES = (DEPLOYMENT_HISTORY, DEPLOYMENT_EVENTS, LOCAL_STACKS)
