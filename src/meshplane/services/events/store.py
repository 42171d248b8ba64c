"""The tables of the events service, and those of messages, which all parts of the mesh write."""

from meshplane.events.archives import EVENT_ARCHIVES
from meshplane.events.aws_heard import HEARD_EVENTS
from meshplane.events.aws_notice_table import NOTICES
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.events.replays import EVENT_REPLAYS
from meshplane.events.rules import EVENT_RULES, RULE_GENERATIONS, WEBHOOK_SECRETS
from meshplane.events.scheduler import SCHEDULE_TIMES

TABLES = (
    MESSAGES,
    DEAD_LETTERS,
    EVENT_RULES,
    RULE_GENERATIONS,
    WEBHOOK_SECRETS,
    SCHEDULE_TIMES,
    EVENT_ARCHIVES,
    EVENT_REPLAYS,
    HEARD_EVENTS,
    NOTICES,
)
