"""The calls that state machines make: moto's interpreter makes them through boto3.

By itself it calls an address from the environment, as nobody. Here it calls this sandbox, as the
role of the state machine (or of the state's `Credentials`), so that the calls are counted, fail by
the same faults, and need the same permissions as all others.
"""

import sys
import threading
from typing import Any

_INTERPRETER = "moto.stepfunctions.parser."
_MAKER = "boto_client_for"
_SECONDS = 900


class MachineCalls:
    """Clients of state machines.

    Args:
        url: where the sandbox answers.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()
        self._session: Any = None
        self._ready = False

    def prepare(self) -> None:
        """Makes moto's interpreter use these clients; at the first call alone it does anything."""
        with self._lock:
            if self._ready:
                return
            from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
                state_task_service_factory,
            )

            # Each of its modules holds the maker under a name of its own.
            assert state_task_service_factory.__name__.startswith(_INTERPRETER)  # noqa: S101
            for name, module in list(sys.modules.items()):
                if name.startswith(_INTERPRETER) and hasattr(module, _MAKER):
                    setattr(module, _MAKER, self.client)
            self._ready = True

    def client(self, region: str, service: str, state_credentials: Any = None) -> Any:
        """A client of a service, for a task of a state machine.

        Args:
            region: of the task.
            service: botocore's name.
            state_credentials: whose `role_arn` is the role to act as.
        """
        role = str(state_credentials.role_arn)
        key = (role, region, service)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._made(role, region, service)
            return self._clients[key]

    def forget(self) -> None:
        """Ends the connections; the keys of roles that they had are void after a reset."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def _made(self, role: str, region: str, service: str) -> Any:
        import boto3
        from botocore.config import Config
        from moto.sts.models import sts_backends

        if self._session is None:
            self._session = boto3.session.Session()
        given = sts_backends[role.split(":")[4]]["aws"].assume_role(
            region_name=region,
            role_session_name="states",
            role_arn=role,
            policy="",
            duration=3600,
            external_id="",
        )
        return self._session.client(
            service,
            region_name=region,
            endpoint_url=self._url,
            aws_access_key_id=given.access_key_id,
            aws_secret_access_key=given.secret_access_key,
            aws_session_token=given.session_token,
            config=Config(
                parameter_validation=False,
                retries={"total_max_attempts": 1},
                read_timeout=_SECONDS,
                s3={"addressing_style": "path"},
                inject_host_prefix=False,
            ),
        )
