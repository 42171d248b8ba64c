"""Seals the keys of webhooks that were stored before there was anything to seal them with."""

from logging import INFO

from meshplane.events.rule_book import RuleBook
from meshplane.events.rules import WEBHOOK_SECRETS
from meshplane.events.webhooks import secret_about
from meshplane.kit.errors import BaseMoved
from meshplane.platform.sealing import Seal
from meshplane.platform.store import Store
from meshplane.platform.telemetry import log


async def seal_keys(store: Store, book: RuleBook, seal: Seal) -> int:
    """Seals what is open; how many keys those were. Done again, it changes nothing.

    Args:
        store: holds the keys.
        book: the rules.
        seal: closes them.
    """
    if not seal.is_open(""):
        return 0
    await book.refresh()
    webhooks = [
        (rule.name, target.id)
        for rule in book.all()
        for target in rule.targets
        if target.type == "webhook"
    ]
    return sum([await _seal_one(store, seal, rule, target) for rule, target in webhooks])


async def _seal_one(store: Store, seal: Seal, rule: str, target: str) -> bool:
    """Whether it was open, and sealed now."""
    work = store.begin()
    row = await work.get(WEBHOOK_SECRETS, rule, target)
    if row is None or not seal.is_open(row.item["secret"]):
        return False
    closed = seal.close(row.item["secret"], secret_about(row.item))
    moved = BaseMoved("WEBHOOK_MOVED", "The webhook was changed meanwhile.")
    item = {**row.item, "secret": closed}
    work.put(WEBHOOK_SECRETS, item, expected=row.version, otherwise=moved)
    try:
        await work.commit()
    except BaseMoved:
        # Another process starts as well and has sealed it, or its rule is gone.
        log(INFO, "webhook_moved", rule=rule)
        return False
    return True
