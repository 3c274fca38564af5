"""The settings: environment first, then ``.env``; checked at start, with every error told at once and no value shown.

Only the contract's names are read. What a setting is used for is told where it is used.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.errors import WrongUsage
from schemas.metrics import DEFAULT_BASE

DEFAULT_HOME = Path("data")
SHORTEST_KEY = 16
MOST_WEBHOOK_KEYS = 5

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def _numbers(first: int, last: int) -> set[str]:
    return {text for number in range(first, last + 1) for text in (str(number), f"{number:02}")}


_CRON_FIELDS: tuple[set[str], ...] = (
    _numbers(0, 59),
    _numbers(0, 23),
    _numbers(1, 31),
    _numbers(1, 12) | set(_MONTHS),
    _numbers(0, 7) | set(_WEEKDAYS),
)

_ANY_MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
"""A line with no tick in the years before it has none at all."""


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return text.rstrip("/")


def _cron(text: str) -> str:
    fields = text.lower().split()
    if len(fields) != len(_CRON_FIELDS) or not all(map(_is_cron_field, fields, _CRON_FIELDS)):
        raise ValueError("must be a cron line of five fields, such as 0 4 * * *")
    return text


def _has_days(text: str) -> str:
    from pipelines.command.doctor.cron import last_tick

    minute, hour, day, month, _ = text.split()
    # Beside such a day a weekday would tick all the same; Dagster, however, refuses some of these lines.
    if last_tick(f"{minute} {hour} {day} {month} *", _ANY_MOMENT) is None:
        raise ValueError("names a day that none of its months has")
    return text


def _state_url(url: str) -> str:
    from connectors.state.database import check_url

    check_url(url)
    return url


def _is_cron_field(field: str, known: set[str]) -> bool:
    return all(_is_cron_part(part, known) for part in field.split(","))


def _is_cron_part(part: str, known: set[str]) -> bool:
    values, has_step, step = part.partition("/")
    if has_step and not (step.isdecimal() and step in known - {"0", "00"}):
        return False
    ends = values.split("-")
    return values == "*" or (len(ends) <= 2 and known.issuperset(ends))


def _own_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < SHORTEST_KEY:
        raise ValueError(f"must have at least {SHORTEST_KEY} characters")
    return key


def _webhook_keys(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    keys = [key.strip() for key in value.split(",")]
    if not all(key.isascii() and key.isprintable() and key for key in keys):
        raise ValueError("must be keys of plain characters, separated by commas")
    if len(keys) > MOST_WEBHOOK_KEYS:
        raise ValueError(f"must have at most {MOST_WEBHOOK_KEYS} keys, separated by commas")
    return keys


def _warehouse_url(url: str) -> str:
    from connectors.warehouse.addresses import check_url

    check_url(url)
    return url


class Settings(BaseSettings):
    """Every setting, by its name in the environment in lower case. An empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    nightshift_home: Path = DEFAULT_HOME
    asleep_api_key: SecretStr | None = None
    asleep_base_url: Annotated[str, AfterValidator(_address)] = "https://api.asleep.ai"
    asleep_requests_per_second: Annotated[float, Field(gt=0, le=10_000)] = 10
    asleep_concurrency: Annotated[int, Field(ge=1, le=1_000)] = 32
    nightshift_lookback_days: Annotated[int, Field(ge=1, le=365)] = 35
    nightshift_completeness_threshold: Annotated[float, Field(ge=0, le=1)] = 0.95
    nightshift_schedule: Annotated[str, AfterValidator(_cron), AfterValidator(_has_days)] = "0 4 * * *"
    nightshift_run_history_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    nightshift_state_url: Annotated[Annotated[str, AfterValidator(_state_url)] | None, Field(repr=False)] = None
    nightshift_warehouse_url: Annotated[Annotated[str, AfterValidator(_warehouse_url)] | None, Field(repr=False)] = None
    nightshift_pseudonym_key: Annotated[SecretStr, AfterValidator(_own_key)] | None = None
    nightshift_secret_key: Annotated[SecretStr, AfterValidator(_own_key)] | None = None
    eight_sleep_email: SecretStr | None = None
    eight_sleep_password: SecretStr | None = None
    eight_sleep_accounts_file: Path | None = None
    eight_sleep_client_id: SecretStr | None = None
    eight_sleep_client_secret: SecretStr | None = None
    eight_sleep_auth_url: Annotated[str, AfterValidator(_address)] = "https://auth-api.8slp.net"
    eight_sleep_client_url: Annotated[str, AfterValidator(_address)] = "https://client-api.8slp.net"
    eight_sleep_app_url: Annotated[str, AfterValidator(_address)] = "https://app-api.8slp.net"
    nightshift_bed_schedule: Path | None = None
    asleep_webhook_keys: Annotated[tuple[SecretStr, ...] | None, NoDecode, BeforeValidator(_webhook_keys)] = None
    nightshift_webhook_unknown_users: Literal["quarantine", "enrol"] = "quarantine"
    nightshift_webhook_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    nightshift_reconcile_days: Annotated[int, Field(ge=1, le=30)] = 7
    fhir_base_url: Annotated[Annotated[str, AfterValidator(_address)] | None, Field(repr=False)] = None
    fhir_token: SecretStr | None = None
    fhir_client_id: SecretStr | None = None
    fhir_private_key_file: Path | None = None
    fhir_key_id: str | None = None
    fhir_token_url: Annotated[str, AfterValidator(_address)] | None = None
    fhir_scope: str | None = None
    fhir_requests_per_second: Annotated[float, Field(gt=0, le=10_000)] = 10
    nightshift_fhir_base: Annotated[str, AfterValidator(_address)] = DEFAULT_BASE
    nightshift_fhir_stage_intervals: bool = False
    nightshift_fhir_bed_samples: Literal["off", "sampled"] = "off"
    nightshift_fhir_provenance: bool = True
    nightshift_fhir_validated_share: Annotated[float, Field(ge=0, le=1)] = 0.05

    @property
    def reconcile_days(self) -> int:
        """In how many days a nightly pull lists every user once: at each pull, unless webhooks bring the nights."""
        return self.nightshift_reconcile_days if self.asleep_webhook_keys else 1

    @property
    def has_beds(self) -> bool:
        """Whether an Eight Sleep account is set."""
        return bool(self.eight_sleep_email or self.eight_sleep_accounts_file)

    @model_validator(mode="after")
    def _go_together(self) -> "Settings":
        if problems := [*self._fhir_problems(), *self._eight_sleep_problems()]:
            raise ValueError("; ".join(problems))
        return self

    def _fhir_problems(self) -> Iterator[str]:
        smart = (self.fhir_client_id, self.fhir_private_key_file, self.fhir_key_id)
        if any(smart) and not all(smart):
            yield "FHIR_CLIENT_ID, FHIR_PRIVATE_KEY_FILE and FHIR_KEY_ID go together"
        elif any(smart) and self.fhir_token:
            yield "FHIR_TOKEN and FHIR_CLIENT_ID are two ways to log in: set one of them"

    def _eight_sleep_problems(self) -> Iterator[str]:
        one, several = (self.eight_sleep_email, self.eight_sleep_password), self.eight_sleep_accounts_file
        application = (self.eight_sleep_client_id, self.eight_sleep_client_secret)
        if several and any(one):
            yield (
                "EIGHT_SLEEP_ACCOUNTS_FILE and EIGHT_SLEEP_EMAIL with EIGHT_SLEEP_PASSWORD are two ways to name "
                "accounts: set one of them"
            )
        elif any(one) and not all(one):
            yield "EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD go together"
        if any(application) and not all(application):
            yield "EIGHT_SLEEP_CLIENT_ID and EIGHT_SLEEP_CLIENT_SECRET go together"
        elif any(application) and not several and not any(one):
            yield (
                "EIGHT_SLEEP_CLIENT_ID and EIGHT_SLEEP_CLIENT_SECRET open no account: set EIGHT_SLEEP_EMAIL and "
                "EIGHT_SLEEP_PASSWORD, or EIGHT_SLEEP_ACCOUNTS_FILE, beside them"
            )


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises: WrongUsage listing every setting that is wrong.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = list(_problems(error))
    except (OSError, UnicodeDecodeError):
        problems = [".env cannot be read as UTF-8 text"]
    raise WrongUsage("Settings are wrong: " + "; ".join(problems) + ". Correct the environment or .env.")


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        told = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        yield f"{name} {told.lower()}" if name else told  # settings that do not go together are named in the text
