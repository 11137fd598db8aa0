"""Where and how the service runs: CSKT_* environment variables, overridden by command-line flags."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from model.errors import ConfigError
from model.matching.calibration import DEFAULT_RATE, RATES

_RATES = ", ".join(f"{rate:g}" for rate in RATES)


class Settings(BaseSettings):
    """All settings of the service. `CSKT_PORT=9000` sets `port`, and so on."""

    model_config = SettingsConfigDict(env_prefix="CSKT_", frozen=True, extra="forbid")

    gallery: str = Field(default="", description="address of the gallery, a folder")
    encoder: str | None = Field(default=None, description="default: the encoder the gallery names")
    device: str = "auto"
    precision: str = Field(
        default="auto",
        description="float32, bfloat16, float16 or int8; default: the quickest that an export has proven",
    )
    threads: int | None = Field(
        default=None, ge=1, description="threads of the encoder; default: all cores allowed"
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    requests_per_minute: int = Field(default=6000, ge=0, description="of one key; 0: any number")
    requests_per_minute_address: int = Field(default=0, ge=0, description="of one address; 0: any number")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks whose X-Forwarded-For is believed"
    )
    allowed_hosts: tuple[str, ...] | None = Field(
        default=None,
        description="names under which the service may be asked, '*' for any; default: loopback and `host`",
    )

    profile: Literal["open", "casework"] = Field(
        default="open", description="casework: every search needs a case and a purpose"
    )
    people_per_day: int = Field(
        default=500, ge=1, description="in casework: different people that one key is shown in a day"
    )
    refuse_protected_traits: bool = Field(
        default=False, description="refuse texts that ask for origin, religion, health; casework always does"
    )
    state: str | None = Field(
        default=None,
        description="folder of keys, cases and the audit log; default: the gallery's name and .state",
    )

    audit_key_file: str | None = Field(
        default=None, description="the key of the audit log; default: audit.key in the state folder"
    )
    audit_heads: str | None = Field(
        default=None, description="folder of the heads of the audit log; default: in the state folder"
    )

    false_alarm_rate: float = Field(
        default=DEFAULT_RATE,
        description="of searches for people who are not there, the share in which a hit may be called "
        f"convincing: {_RATES}",
    )

    log_format: Literal["text", "json"] = "text"
    otel_endpoint: str | None = Field(
        default=None, description="where traces go, http://collector:4318/v1/traces; default: nowhere"
    )

    deadline_ms: int = Field(
        default=2000, ge=10, description="by when a search is answered that names no deadline itself"
    )
    max_deadline_ms: int = Field(default=30_000, ge=10)
    drain_seconds: float = Field(
        default=1.0, ge=0, description="how long requests are still taken after SIGTERM, not ready any more"
    )
    max_body_bytes: int = Field(default=65_536, ge=1)
    max_batch: int = Field(default=64, ge=1, description="queries encoded together at most")
    max_waiting: int = Field(
        default=1024, ge=1, description="queries inside at most, however quickly they could be answered"
    )
    search_threads: int = Field(default=2, ge=1)
    refresh_seconds: Annotated[float, Field(gt=0)] = 1.0

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            ip_network(one, strict=False)
        return given

    @field_validator("false_alarm_rate")
    @classmethod
    def _measured(cls, given: float) -> float:
        if given not in RATES:
            raise ValueError(f"it can be one of {_RATES}")
        return given

    @property
    def state_folder(self) -> Path:
        """Where keys, cases and the audit log are kept."""
        return Path(self.state or f"{self.gallery.removeprefix('local:').rstrip('/')}.state")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:  # some other name
            return False

    @property
    def host_names(self) -> tuple[str, ...]:
        """What a Host header may say, so that no web page reaches the service by rebinding its name."""
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        if self.host in ("0.0.0.0", "::"):
            return ("*",)
        return ("127.0.0.1", "localhost", "[::1]", f"[{self.host}]" if ":" in self.host else self.host)


def read_settings(given: Mapping[str, object]) -> Settings:
    """Environment, overridden by what was given (None counts as not given). Raises ConfigError."""
    try:
        return Settings.model_validate({name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        raise ConfigError(
            f"A CSKT_ environment variable cannot be read: {error}; lists are written as JSON."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"The setting {name} (CSKT_{name.upper()}) cannot be used: {first['msg']}; "
            "correct it and try again."
        ) from error
