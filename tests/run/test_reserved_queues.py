"""No person reaches the queues that parts of the mesh work off."""

from pathlib import Path

from meshplane.events.rules import RESERVED_QUEUES
from meshplane.run.mesh import Mesh
from meshplane.run.settings import read_settings
from meshplane.services.quality import running
from meshplane.workflows.queue_names import APPROVALS, TASKS
from meshplane.workflows.resources import sqs


async def test_queues_of_the_mesh__are_reserved(tmp_path: Path) -> None:
    mesh = Mesh(read_settings(home=tmp_path, port=0))
    handled = {each.queue for built in mesh._built.values() for each in built.queues}
    handled.add(running.QUEUE)  # where quality is measured on AWS
    await mesh.store.close()
    assert {"deployments", "quality-runs", "functions"} <= handled
    assert handled <= RESERVED_QUEUES
    # To these workflows send what people asked for; whose token it is decides there.
    assert handled - {TASKS, APPROVALS} <= sqs.RESERVED_QUEUES
