"""The tables of the workflows service."""

from meshplane.services.workflows.approval_store import APPROVAL_STEPS
from meshplane.services.workflows.decisions import DECISIONS
from meshplane.workflows.aws_tables import AWS_WORKFLOW_TABLES
from meshplane.workflows.tables import WORKFLOW_TABLES

TABLES = (*WORKFLOW_TABLES, *AWS_WORKFLOW_TABLES, APPROVAL_STEPS, DECISIONS)
