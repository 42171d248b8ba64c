"""What of the journey is done, kept in one file that a crash leaves whole."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meshplane.kit.errors import Invalid

FILE_NAME = "sample.json"
_FORMAT = 1


@dataclass(slots=True)
class Progress:
    """How far the journey has come.

    Attributes:
        started_at: RFC 3339; whatever a step derives from the time, it derives from this, so
            that a repeated step sends the same request.
        steps: for each finished step its name, what was seen and its checks.
        values: what later steps need of earlier ones: ids, instants, numbers.
        finished_at: when the last step was done; None before.
    """

    started_at: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    finished_at: str | None = None


class ProgressStore(Protocol):
    """Keeps one journey's progress."""

    def load(self) -> Progress | None:
        """The progress kept, or None when nothing was."""
        ...

    def save(self, progress: Progress) -> None:
        """Keeps it durably: after the return, a crash loses nothing of it."""
        ...


class FileProgressStore:
    """Keeps progress in `sample.json` of the home folder.

    The new file is written beside the old one, synced, and renamed over it, so that whatever
    moment a crash picks, one of the two is there whole.

    Args:
        home: the home folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME

    def load(self) -> Progress | None:
        """The progress kept, or None when nothing was.

        Raises:
            Invalid: the file was changed by hand (`SAMPLE_PROGRESS_UNREADABLE`).
        """
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise ValueError("unknown format")
            return Progress(
                started_at=document["startedAt"],
                steps=list(document["steps"]),
                values=dict(document["values"]),
                finished_at=document["finishedAt"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(
                "SAMPLE_PROGRESS_UNREADABLE",
                f"{self._path} is not a record of the sample's loading. Start with a fresh "
                "home folder (--home) to load the sample anew.",
            ) from error

    def save(self, progress: Progress) -> None:
        """Keeps it durably."""
        document = {
            "format": _FORMAT,
            "startedAt": progress.started_at,
            "finishedAt": progress.finished_at,
            "steps": progress.steps,
            "values": progress.values,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".json.new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself must survive a power cut
        finally:
            os.close(folder)


def is_finished(home: Path) -> bool:
    """Whether the whole journey is on record in that home folder.

    Raises:
        Invalid: the record was changed by hand (`SAMPLE_PROGRESS_UNREADABLE`).
    """
    progress = FileProgressStore(home).load()
    return progress is not None and progress.finished_at is not None
