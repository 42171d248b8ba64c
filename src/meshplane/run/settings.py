"""Settings: `MESHPLANE_*` variables, or one TOML file named by `MESHPLANE_CONFIG`."""

import os
import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.run.aws_settings import AwsSettings
from meshplane.run.catalogue import SERVICES
from meshplane.services.subscriptions.route import DEFAULT_ROUTES, parse_routes

_HOST = re.compile(
    r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?"
)


class Settings(AwsSettings):
    """All settings of a process. Unknown ones are refused, so that a misspelt one is noticed."""

    model_config = SettingsConfigDict(
        env_prefix="MESHPLANE_", extra="forbid", env_nested_delimiter="__"
    )

    home: Path = Field(Path(".meshplane"), description="The folder that holds all state.")
    host: str = Field("127.0.0.1", description="The loopback address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="The port; 0 takes a free one.")
    only: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The services of this process; all when empty."
    )
    links: dict[str, str] = Field(
        default_factory=dict,
        description="Where services of other processes answer: {projects = 'http://…'}.",
    )
    issuer_url: str | None = Field(
        None, description="The `iss` of the embedded issuer's tokens; where it answers by default."
    )
    audience: str = Field(
        "meshplane", min_length=1, description="The `aud` that tokens must carry."
    )
    admin_group: str = Field(
        "mesh-admins", min_length=1, description="The group of the administrators."
    )
    auditor_group: str = Field(
        "mesh-auditors", min_length=1, description="The group of the auditors."
    )
    outbound_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "::1", "localhost"),
        description="The hosts that webhooks and workflows may call; no other is ever called.",
    )
    internal_host: str = Field(
        "internal-alb.vpc.local",
        min_length=1,
        description="The host under which workflows' HTTP tasks reach this mesh's own API.",
    )
    log_level: str = Field("warning", pattern="^(debug|info|warning|error)$")
    query_workers: int = Field(2, ge=1, le=32, description="Warm processes that wait for queries.")
    query_memory_mib: int = Field(1024, ge=64, description="Memory that one query may use.")

    subscription_routes: str = Field(
        DEFAULT_ROUTES,
        description="Who must approve a request for data, by its strictest classification: "
        "`auto` is nobody, `|` joins the roles of one step, `+` the steps.",
    )
    subscription_notice_days: float = Field(
        7.0, ge=0, le=365, description="Days before its end that a subscriber is told of it."
    )

    @field_validator("only", "outbound_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("outbound_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    "must be names or addresses alone: hooks.example.org, *.example.org, 127.0.0.1"
                )
        return value

    @field_validator("subscription_routes")
    @classmethod
    def _are_routes(cls, value: str) -> str:
        parse_routes(value)
        return value

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, value: str) -> str:
        if not _is_loopback(value):
            raise ValueError("must be a loopback address: the embedded issuer answers on no other")
        return value

    @field_validator("links")
    @classmethod
    def _lead_to_services(cls, value: dict[str, str]) -> dict[str, str]:
        known = [service.name for service in SERVICES]
        for name, url in value.items():
            if name not in known:
                raise ValueError(f"there is no service {name}; there are {', '.join(known)}")
            # The tokens that go there speak for anybody, so they never cross a network in clear.
            if not _is_address(url) or not (
                url.startswith("https:") or _is_loopback(urlsplit(url).hostname or "")
            ):
                raise ValueError(
                    f"{name} must be an https address, or an http one of this machine: "
                    "http://127.0.0.1:8001"
                )
        return {name: url.rstrip("/") for name, url in value.items()}

    @field_validator("issuer_url")
    @classmethod
    def _names_an_issuer(cls, value: str | None) -> str | None:
        if value is not None and (not _is_address(value) or value.endswith("/")):
            raise ValueError("must be an http or https address without a slash at its end")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code wins over variables, and these over the file."""
        file = os.environ.get("MESHPLANE_CONFIG")
        toml = (_file_source(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)


def _file_source(settings_cls: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    """What the file of settings says; one that is named and cannot be read is an error."""
    try:
        tomllib.loads(path.read_text(encoding="utf-8"))
        return TomlConfigSettingsSource(settings_cls, path)
    except OSError as error:
        trouble = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        trouble = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        trouble = f"is not TOML: {error}"
    raise Invalid(
        "SETTING_INVALID", f"MESHPLANE_CONFIG: the file {path} {trouble}.", field="MESHPLANE_CONFIG"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
            and not (parts.query or parts.fragment)
            and url.isprintable()
        )
    except ValueError:  # a port that is none, or half of an IPv6 address
        return False


def read_settings(**given: Any) -> Settings:
    """The settings, with those of the command line on top.

    Raises:
        Invalid: SETTING_INVALID, naming each setting that does not hold.
    """
    named = {name: value for name, value in given.items() if value is not None}
    unknown = _unknown_variables()
    if unknown:
        raise Invalid(
            "SETTING_INVALID",
            f"There is no setting {unknown[0]}: see the reference of settings.",
            field=unknown[0],
        )
    try:
        return Settings(**named)
    except SettingsError as error:
        # Raised for a variable that should hold JSON; the links are the only such setting.
        raise Invalid(
            "SETTING_INVALID",
            "Setting links: MESHPLANE_LINKS must hold a JSON object. Use one variable for each "
            "service: MESHPLANE_LINKS__projects=http://127.0.0.1:8001",
            field="links",
        ) from error
    except ValidationError as error:
        problems = [
            FieldProblem(
                ".".join(str(part) for part in problem["loc"]),
                problem["msg"].removeprefix("Value error, "),
            )
            for problem in error.errors(include_input=False, include_context=False)
        ]
        first = problems[0]
        raise Invalid(
            "SETTING_INVALID", f"Setting {first.field}: {first.message}", fields=problems
        ) from None


# Read by the command line or by the live tests of AWS, and not by the server.
_ELSEWHERE = frozenset(
    {
        "MESHPLANE_AWS_LIVE",
        "MESHPLANE_AWS_LIVE_READER",
        "MESHPLANE_CONFIG",
        "MESHPLANE_GROUPS",
        "MESHPLANE_TOKEN",
        "MESHPLANE_URL",
        "MESHPLANE_USER",
    }
)


def _unknown_variables() -> list[str]:
    known = {f"MESHPLANE_{name.upper()}" for name in Settings.model_fields} | _ELSEWHERE
    return sorted(
        name
        for name in os.environ
        if name.upper().startswith("MESHPLANE_")
        and name.upper() not in known
        and not name.upper().startswith("MESHPLANE_LINKS__")
    )
