"""AWS as moto plays it, on loopback, and `Aws` on it. State machines run in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from botocore.session import Session

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.place import AwsPlace
from tests.builders.aws_sessions import session_with

REGION = "eu-central-1"
ACCOUNT = "123456789012"


def nobody() -> Session:
    """Credentials that moto takes; a session of its own for each `Aws`."""
    return session_with("AKIAIOSFODNN7EXAMPLE", "a-key-of-nobody")


@contextmanager
def moto_aws(prefix: str = "") -> Iterator[Aws]:
    """`Aws` on a server of moto that has nothing in it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        aws = Aws(AwsPlace(REGION, ACCOUNT, endpoint_url=url, prefix=prefix), nobody())
        empty(aws)
        try:
            yield aws
        finally:
            aws.close()
    finally:
        server.stop()


def empty(aws: Aws) -> None:
    """Takes away all that is in moto."""
    url = aws.place.endpoint_url
    httpx.post(f"{url}/moto-api/reset", trust_env=False, verify=False)
    config = {"stepfunctions": {"execute_state_machine": True}}
    httpx.post(f"{url}/moto-api/config", json=config, trust_env=False, verify=False)
