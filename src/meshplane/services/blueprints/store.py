"""The table of the blueprints service."""

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
)
"""`timestamp`, `startTime` and `endTime` are epoch milliseconds, `expirationTime` epoch seconds."""

TABLES = (DEPLOYMENT_HISTORY,)
