"""Settings: `MESHPLANE_*` variables, or one TOML file named by `MESHPLANE_CONFIG`."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from meshplane.kit.errors import FieldProblem, Invalid


class Settings(BaseSettings):
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
    audience: str = Field("meshplane", description="The `aud` that tokens must carry.")
    admin_group: str = Field("mesh-admins", description="The group of the administrators.")
    auditor_group: str = Field("mesh-auditors", description="The group of the auditors.")
    log_level: str = Field("warning", pattern="^(debug|info|warning|error)$")
    query_workers: int = Field(2, ge=1, le=32, description="Warm processes that wait for queries.")
    query_memory_mib: int = Field(1024, ge=64, description="Memory that one query may use.")

    @field_validator("only", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, value: str) -> str:
        if value == "localhost" or ip_address(value).is_loopback:
            return value
        raise ValueError("must be a loopback address: the embedded issuer answers on no other")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code wins over variables, and these over the file."""
        file = os.environ.get("MESHPLANE_CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)


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
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(str(part) for part in problem["loc"]), problem["msg"])
            for problem in error.errors(include_input=False, include_context=False)
        ]
        first = problems[0]
        raise Invalid(
            "SETTING_INVALID", f"Setting {first.field}: {first.message}", fields=problems
        ) from None


# Read by the command line and not by the server.
_ELSEWHERE = frozenset(
    {"MESHPLANE_CONFIG", "MESHPLANE_TOKEN", "MESHPLANE_URL", "MESHPLANE_USER", "MESHPLANE_GROUPS"}
)


def _unknown_variables() -> list[str]:
    known = {f"MESHPLANE_{name.upper()}" for name in Settings.model_fields} | _ELSEWHERE
    return sorted(
        name
        for name in os.environ
        if name.startswith("MESHPLANE_")
        and name.upper() not in known
        and not name.startswith("MESHPLANE_LINKS__")
    )
