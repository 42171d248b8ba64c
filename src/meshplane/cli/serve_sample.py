"""Loads the sample mesh beside a server that has just started."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.cli import present
from meshplane.kit.errors import MeshplaneError

if TYPE_CHECKING:
    from meshplane.run.serve import Started


def sample_loader(home: Path, aws_parts: Collection[str] = ()) -> "Callable[[Started], None]":
    """What to do once the server answers: load the sample, and say how that went.

    A failure is told and the server goes on; the next start takes up where this one stopped.

    Args:
        home: the server's home folder.
        aws_parts: what of the mesh runs on AWS, which tells what its lake can do.

    Raises:
        Missing: the sample is still to be loaded and its data is not there
            (`SAMPLE_ARCHIVE_MISSING`).
    """
    from meshplane.sample.nycflights import NycFlights
    from meshplane.sample.progress import is_finished

    if not is_finished(home):
        NycFlights().require()

    def load(started: "Started") -> None:
        from meshplane.sample.loader import load as load_sample
        from meshplane.sample.stage import Lake

        console = present.console(to_stderr=True)
        try:
            lake = Lake.on(aws_parts)
            load_sample(started.base_url, started.mint, home, None, console, lake=lake)
        except MeshplaneError as error:
            console.print(present.problem_panel(error))
        else:
            console.print(f"The sample mesh is there. Meshplane answers at {started.base_url}")

    return load
