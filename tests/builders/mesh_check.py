"""Looks through a home whose server has ended: does everything in it belong together?

It reads the database and the lake by itself, with no part of the server but the table format's
library, and says in words what it finds amiss.
"""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyiceberg.table import StaticTable

_GENESIS = "0" * 64

# Who holds the name of what: table of names → table of things, and the key that both have.
_NAMES = {
    "DomainNames": ("Domains", "domainId"),
    "ProjectNames": ("Projects", "projectId"),
    "TableNames": ("Tables", "tableId"),
    "AssetNames": ("Assets", "assetId"),
    "AssetTables": ("Assets", "assetId"),
}

# What is told of each thing once: its event, and the operation in the audit trail.
_BEGINNINGS = {
    "Domains": ("DomainCreated", {"createDomain"}, "Domain"),
    "Projects": ("ProjectCreated", {"createProject"}, "Project"),
    "Tables": (
        "TableCreated",
        {"createTable", "createTableFromQuery", "createTableFromCrawl", "createExternalTable"},
        "Table",
    ),
    "Assets": ("AssetPublished", {"publishAsset"}, "Asset"),
    "Subscriptions": ("SubscriptionRequested", {"requestSubscription"}, "Subscription"),
}
_ENDS = {
    "active": {"SubscriptionApproved": 1, "SubscriptionActivated": 1},
    "rejected": {"SubscriptionRejected": 1},
    "requested": {},
    "revoked": {
        "SubscriptionApproved": 1,
        "SubscriptionActivated": 1,
        "SubscriptionRevocationStarted": 1,
        "SubscriptionRevoked": 1,
    },
}


@dataclass(slots=True)
class Contents:
    """What a database holds: rows by table, events in order, audit records in order."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    audit: list[tuple[int, bytes, str]] = field(default_factory=list)

    def by_id(self, table: str, key: str) -> dict[str, dict[str, Any]]:
        """The rows of a table by one of their fields."""
        return {row[key]: row for row in self.rows[table]}

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """The details of the events of a type, in order."""
        return [detail for type_, _, detail in self.events if type_ == kind]


def read(database: Path) -> Contents:
    """All that a database holds; it is not changed."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = Contents()
        for (name,) in connection.execute(
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "ON c.name = 'body' WHERE m.type = 'table' AND m.name <> 'AuditTrail'"
        ).fetchall():
            bodies = connection.execute(f'SELECT body FROM "{name}"').fetchall()
            found.rows[name] = [json.loads(body) for (body,) in bodies]
        found.events = [
            (kind, entity, json.loads(detail))
            for kind, entity, detail in connection.execute(
                "SELECT type, entity, detail FROM Outbox ORDER BY sequence"
            )
        ]
        found.audit = connection.execute(
            "SELECT sequence, body, hash FROM AuditTrail ORDER BY sequence"
        ).fetchall()
        return found
    finally:
        connection.close()


def complaints(home: Path, database: Path | None = None) -> list[str]:
    """What is amiss in a home; nothing when it is whole.

    Args:
        home: the home folder of a server that has ended.
        database: looked at in place of the home's own.
    """
    found = read(database or home / "meshplane.db")
    return [
        *_names(found),
        *_beginnings(found),
        *_parents(found),
        *_subscriptions(found),
        *_grants(found),
        *_deliveries(found),
        *_chain(found),
        *_anchors(found, home / "audit-anchors.log"),
        *_lake(found),
    ]


def rows_in_table(home: Path, table_id: str, column: str) -> Counter[Any]:
    """The values of a column of a table's present snapshot, as they lie in the lake."""
    found = read(home / "meshplane.db")
    location = found.by_id("Tables", "tableId")[table_id]["metadataLocation"]
    scan = StaticTable.from_metadata(location).scan(selected_fields=(column,))
    return Counter(scan.to_arrow()[column].to_pylist())


def orphans(home: Path) -> int:
    """How many files lie in the lake that no snapshot of any table knows."""
    known: set[str] = set()
    for item in read(home / "meshplane.db").rows["Tables"]:
        table = StaticTable.from_metadata(item["metadataLocation"])
        known.add(item["metadataLocation"])
        known |= {entry.metadata_file for entry in table.metadata.metadata_log}
        for snapshot in table.metadata.snapshots:
            known.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                known.add(manifest.manifest_path)
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
                known |= {entry.data_file.file_path for entry in entries}
    paths = {path.removeprefix("file://") for path in known}
    files = [file for file in (home / "lake").rglob("*") if file.is_file()]
    return sum(1 for file in files if str(file) not in paths)


def _names(found: Contents) -> Iterator[str]:
    for names, (things, key) in _NAMES.items():
        named = Counter(row[key] for row in found.rows[names])
        there = Counter(row[key] for row in found.rows[things])
        for each in named.keys() | there.keys():
            if (named[each], there[each]) != (1, 1):
                yield f"{names}: {each} is named {named[each]} times and there {there[each]} times"


def _beginnings(found: Contents) -> Iterator[str]:
    told = Counter((kind, entity) for kind, entity, _ in found.events)
    records = [json.loads(body) for _, body, _ in found.audit]
    done = Counter(
        (record["operation"], record["resource"])
        for record in records
        if record["outcome"] == "allowed"
    )
    for things, (event, operations, kind) in _BEGINNINGS.items():
        key = {"Assets": "assetId", "Subscriptions": "requestId"}.get(things, f"{kind.lower()}Id")
        ids = {row[key] for row in found.rows[things]}
        told_of = {entity for type_, entity in told if type_ == event}
        for each in ids | told_of:
            times = told[event, each]
            if (each in ids, times) != (True, 1):
                yield f"{things}: of {each} {event} is told {times} times"
        for each in ids:
            times = sum(done[operation, f"{kind}:{each}"] for operation in operations)
            if times != 1:
                yield f"{things}: {each} stands {times} times in the audit trail"


def _parents(found: Contents) -> Iterator[str]:
    parents = {
        "DomainMembers": ("Domains", "domainId"),
        "Projects": ("Domains", "domainId"),
        "ProjectMembers": ("Projects", "projectId"),
        "Tables": ("Projects", "projectId"),
        "Assets": ("Tables", "tableId"),
        "Subscriptions": ("Assets", "assetId"),
        "Rulesets": ("Assets", "assetId"),
        "QualityRuns": ("Assets", "assetId"),
        "Grants": ("Subscriptions", "subscriptionId"),
    }
    for children, (things, parent_key) in parents.items():
        own_key = {"Subscriptions": "requestId"}.get(things, parent_key)
        there = {row[own_key] for row in found.rows[things]}
        for row in found.rows[children]:
            # What stays of a revoked grant says no more than that it ended.
            if not row.get("revoked") and row[parent_key] not in there:
                yield f"{children}: {row[parent_key]} of {things} is not there"


def _subscriptions(found: Contents) -> Iterator[str]:
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, entity, _ in found.events:
        if kind.startswith("Subscription") and kind != "SubscriptionRequested":
            told[entity][kind] += 1
    for row in found.rows["Subscriptions"]:
        request_id, status = row["requestId"], row["status"]
        if status not in _ENDS:
            yield f"Subscriptions: {request_id} is stuck as {status}"
        elif dict(told[request_id]) != _ENDS[status]:
            yield f"Subscriptions: {request_id} is {status} after {dict(told[request_id])}"


def _grants(found: Contents) -> Iterator[str]:
    granted = Counter(detail["grantId"] for detail in found.events_of("PermissionGranted"))
    revoked = Counter(detail["grantId"] for detail in found.events_of("PermissionRevoked"))
    in_force = {row["grantId"]: row for row in found.rows["Grants"] if not row.get("revoked")}
    for row in found.rows["Subscriptions"]:
        grant_id = row["grantId"]
        if (row["status"] == "active") != (grant_id in in_force):
            yield f"Grants: {row['requestId']} is {row['status']}, its grant is not so"
        if grant_id is not None:
            expected = (1, 1 if row["status"] == "revoked" else 0)
            if (granted[grant_id], revoked[grant_id]) != expected:
                yield (
                    f"Grants: {grant_id} is told granted {granted[grant_id]} and revoked "
                    f"{revoked[grant_id]} times"
                )


def _deliveries(found: Contents) -> Iterator[str]:
    """What events bring about elsewhere: the score on the asset, the edges of lineage."""
    for row in found.rows["ParkedEvents"]:
        yield f"ParkedEvents: {row['consumer']} has not done event {row['sequence']}"
    completed = found.events_of("DataQualityRunCompleted")
    runs = {detail["assetId"]: detail["runId"] for detail in completed}
    ran = {row["runId"] for row in found.rows["QualityRuns"]}
    told = {detail["runId"] for detail in completed}
    if ran != told:
        yield f"QualityRuns: {len(ran)} are there, {len(told)} are told"
    for asset_id, asset in found.by_id("Assets", "assetId").items():
        shown = (asset["quality"] or {}).get("runId")
        if shown != runs.get(asset_id):
            yield f"Assets: {asset_id} shows the score of {shown}, not of {runs.get(asset_id)}"
    edges = Counter(
        (row["target"], row["targetColumn"], row["source"], row["sourceColumn"])
        for row in found.rows["LineageEdges"]
    )
    for detail in found.events_of("TableSnapshotCommitted"):
        target = detail["tableId"]
        expected = [(target, "", source, "") for source in detail["fromTableIds"]]
        expected += [
            (target, one["column"], one["fromTableId"], one["fromColumn"])
            for one in detail["origins"]
        ]
        for edge in expected:
            if edge not in edges:
                yield f"LineageEdges: {edge} is missing"


def _chain(found: Contents) -> Iterator[str]:
    previous = _GENESIS
    for place, (sequence, body, digest) in enumerate(found.audit, 1):
        record = json.loads(body)
        holds = (
            sequence == place == record["sequence"]
            and record["previousHash"] == previous
            and hashlib.sha256(body).hexdigest() == digest
        )
        if not holds:
            yield f"AuditTrail: the chain is broken at record {place}"
            return
        previous = digest


def _anchors(found: Contents, log: Path) -> Iterator[str]:
    lines = log.read_text("ascii").splitlines() if log.exists() else []
    if not lines:
        yield "AuditTrail: no head of the chain was noted"
    heads = {(sequence, digest) for sequence, _, digest in found.audit}
    for line in lines:
        sequence, _, digest = line.partition(" ")
        if not sequence.isdecimal() or (int(sequence), digest) not in heads:
            yield f"AuditTrail: the noted head {sequence} is not in the chain"


def _lake(found: Contents) -> Iterator[str]:
    commits = defaultdict(list)
    for detail in found.events_of("TableSnapshotCommitted"):
        commits[detail["tableId"]].append(detail["snapshotId"])
    for item in found.rows["Tables"]:
        named = f"Tables: {item['name']} of {item['projectId']}"
        location = Path(item["metadataLocation"].removeprefix("file://"))
        if not location.is_file():
            yield f"{named} has lost its metadata"
            continue
        table = StaticTable.from_metadata(item["metadataLocation"])
        snapshots = [str(snapshot.snapshot_id) for snapshot in table.metadata.snapshots]
        if snapshots != commits[item["tableId"]]:
            yield f"{named} has {len(snapshots)} snapshots, told {len(commits[item['tableId']])}"
        first = table.schema().fields[0].name
        rows = table.scan(selected_fields=(first,)).to_arrow().num_rows
        if rows != item["rows"]:
            yield f"{named} says {item['rows']} rows and has {rows}"
