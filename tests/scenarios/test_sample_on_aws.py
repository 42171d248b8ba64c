"""`meshplane serve --sample` on AWS: the sample is loaded there as it is on one machine."""

import time
from importlib.util import find_spec

import pytest

from meshplane.sample.nycflights import default_archive
from meshplane.sample.progress import is_finished

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

_LONGEST_SECONDS, _PAUSE_SECONDS = 300.0, 0.2
_TROUBLE = "\N{BOX DRAWINGS LIGHT ARC DOWN AND RIGHT}"


def test_sample__where_the_lake_cannot_mask__is_loaded_and_tells_what_is_otherwise() -> None:
    from tests.builders.aws_mesh import aws_mesh

    with aws_mesh("tables,lake,query", arguments=["--sample"]) as mesh:
        give_up = time.monotonic() + _LONGEST_SECONDS
        while not is_finished(mesh.server.home):
            said = mesh.server.log()
            assert _TROUBLE not in said, said[-2000:]
            assert time.monotonic() < give_up, said[-2000:]
            time.sleep(_PAUSE_SECONDS)
        while "The sample mesh is there" not in (said := mesh.server.log()):
            assert time.monotonic() < give_up, said[-2000:]
            time.sleep(_PAUSE_SECONDS)
    assert "tailnum is left out: Lake Formation cannot mask" in said
