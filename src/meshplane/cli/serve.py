"""`meshplane serve`: runs the services, all of them or some."""

import gc
import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from meshplane.cli.session import JsonOption, fail, split_groups
from meshplane.kit.errors import MeshplaneError


def _loopback(host: str | None) -> str | None:
    if host is None or host == "localhost":
        return host
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError as error:
        raise typer.BadParameter("It is not an address: 127.0.0.1 or ::1.") from error
    raise typer.BadParameter("The embedded server answers on loopback only: 127.0.0.1 or ::1.")


def serve(
    *,
    home: Annotated[
        Path | None, typer.Option(help="The folder that holds the state. [default: .meshplane]")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(callback=_loopback, help="A loopback address. [default: 127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="0 takes any that is free. [default: 8080]"),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Only these services: projects,assets")] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Load the sample mesh at the first start.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serves the control plane until it is stopped with Ctrl-C.

    What is not given here comes from the MESHPLANE_… variables or the file of settings.
    """
    # What the server loads stays: looking for garbage meanwhile costs a fifth of the start.
    gc.disable()
    from meshplane.run.serve import serve as run
    from meshplane.run.settings import read_settings

    try:
        settings = read_settings(
            home=home,
            host=host,
            port=port,
            only=split_groups(only) if only is not None else None,
        )
        if not sample:
            run(settings)
            return
        from meshplane.cli.serve_sample import sample_loader

        run(settings, beside=sample_loader(settings.home, settings.aws_parts))
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
