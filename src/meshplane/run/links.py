"""How the processes of one mesh know and call each other."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from meshplane.boundary.actor import Actor
from meshplane.boundary.operation import JSON
from meshplane.boundary.remote import PREFIX
from meshplane.gateway.issuer import EmbeddedIssuer, SigningKeys
from meshplane.gateway.problems import kind_of
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.errors import FieldProblem, MeshplaneError, Unavailable
from meshplane.run.catalogue import SERVICES
from meshplane.run.home import Home
from meshplane.run.kept_secrets import issuer_keys
from meshplane.run.settings import Settings

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 30.0
_TOKEN_SECONDS = 300
_PROBLEM_MEMBERS = frozenset({"type", "title", "status", "code", "detail", "errors", "traceId"})


def issuer(
    settings: Settings, clock: Clock | None = None, keys: SigningKeys | None = None
) -> EmbeddedIssuer:
    """The embedded issuer of a mesh; its key is made when there is none.

    Args:
        settings: of the mesh.
        clock: tells the present.
        keys: what it signs with; read from where the settings say if not given.
    """
    home = Home(settings.home)
    home.prepare()
    clock = clock or SystemClock()
    keys = keys or issuer_keys(settings, home, clock)
    noted = home.issuer_url.read_text(encoding="utf-8") if home.issuer_url.exists() else None
    # Processes that share a home must name its issuer alike, each on whatever port it answers.
    port = Settings.model_fields["port"].default if settings.only else settings.port
    url = settings.issuer_url or noted or f"http://{settings.host}:{port}"
    return EmbeddedIssuer(keys, url, settings.audience, clock)


def note_issuer_url(settings: Settings, base_url: str) -> None:
    """Notes in the home where its issuer answers, for other processes and the command line."""
    home = Home(settings.home)
    home.prepare()
    new = home.issuer_url.with_suffix(".new")
    new.write_text(settings.issuer_url or base_url, encoding="utf-8")
    new.replace(home.issuer_url)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to another process. `path` has its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class HttpCaller:
    """Calls services of other processes; see `boundary.remote.Caller`.

    Args:
        own_name: the service that calls.
        issuer: gives what signs its tokens.
        links: base URLs by service; by default each answers on its own port of this machine.
    """

    def __init__(
        self, own_name: str, issuer: Callable[[], EmbeddedIssuer], links: dict[str, str]
    ) -> None:
        self._own_name = own_name
        self._issuer = issuer
        self._links = {
            **{service.name: f"http://127.0.0.1:{service.port}" for service in SERVICES},
            **links,
        }
        self._client: httpx.AsyncClient | None = None

    def client(self) -> "httpx.AsyncClient":
        """The client of HTTP of this process, for what the mesh itself asks for."""
        import httpx

        # Loaded and opened with the first call: a process that runs every service makes none.
        self._client = self._client or httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)
        return self._client

    async def call(self, service: str, method: str, actor: Actor, body: bytes) -> bytes:
        """See `Caller.call`.

        Raises:
            MeshplaneError: what the other service answered, of the same kind and code.
            Unavailable: SERVICE_UNREACHABLE.
        """
        sent = Sent("POST", f"{PREFIX}/{service}/{method}", {"content-type": JSON}, body)
        return await self._send(service, sent, self._service_token(actor), actor.trace_id)

    async def request(self, service: str, actor: Actor, sent: Sent) -> bytes:
        """Sends a request to an operation of another process in the actor's own name.

        Raises:
            MeshplaneError: as `call`.
        """
        token = (
            self._service_token(actor)
            if actor.is_service
            else self._issuer().mint(
                actor.subject,
                tuple(sorted(actor.groups)),
                lifetime_seconds=_TOKEN_SECONDS,
                via=actor.via,
                hops=actor.hops,
            )
        )
        return await self._send(service, sent, token, actor.trace_id)

    def _service_token(self, actor: Actor) -> str:
        behalf = actor.on_behalf_of if actor.is_service else actor.subject
        name = actor.subject if actor.is_service else self._own_name
        return self._issuer().mint(
            name,
            (),
            lifetime_seconds=_TOKEN_SECONDS,
            service=name,
            on_behalf_of=behalf,
            via=actor.via,
            hops=actor.hops,
        )

    async def _send(self, service: str, sent: Sent, token: str, trace_id: str) -> bytes:
        headers = {**sent.headers, "authorization": f"Bearer {token}"}
        if trace_id:
            headers["traceparent"] = f"00-{trace_id}-{trace_id[:16]}-01"
        import httpx

        try:
            answer = await self.client().request(
                sent.method, self._links[service] + sent.path, content=sent.body, headers=headers
            )
        except httpx.HTTPError as error:
            raise _unreachable(service) from error
        if answer.is_success:
            return answer.content
        raise _problem(service, answer)

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()


def _problem(service: str, answer: "httpx.Response") -> MeshplaneError:
    """What another service answered, as an error of the same kind and code."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        # It is our own token that was not taken; whoever asked us can do nothing about it.
        return _unreachable(service)
    try:
        problem = orjson.loads(answer.content)
        return kind_of(answer.status_code)(
            problem["code"],
            problem["detail"],
            fields=[FieldProblem(one["field"], one["message"]) for one in problem["errors"]],
            details={name: problem[name] for name in problem.keys() - _PROBLEM_MEMBERS},
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        # Something else than a part of the mesh answers there.
        return _unreachable(service)


def _unreachable(service: str) -> Unavailable:
    return Unavailable("SERVICE_UNREACHABLE", f"The {service} service does not answer: try again.")
