"""A fake of a service with handlers that a test writes, for what all fakes have in common."""

from collections.abc import Callable
from typing import Any

from meshplane.sandbox.fake import Handler, World


class ToyFake:
    """Handlers by operation, which a test may exchange while the sandbox runs."""

    def __init__(self, world: World, service: str, handlers: dict[str, Handler]) -> None:
        self.service, self.handlers = service, handlers
        world.services[service] = self


def toy(service: str, handlers: dict[str, Handler]) -> Callable[[World], ToyFake]:
    """What makes one, as `AwsSandbox(fakes=…)` takes it."""
    return lambda world: ToyFake(world, service, handlers)


def answering(answer: dict[str, Any]) -> Handler:
    """A handler that gives the same answer to all."""
    return lambda _caller, _given: answer
