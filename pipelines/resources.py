"""From settings to the things the assets work with: the home, the accounts at vendors, the warehouse."""

from pathlib import Path
from typing import TYPE_CHECKING

from connectors.asleep.connection import AsleepConnection
from connectors.home import Clock, Home, utc_now
from connectors.warehouse.addresses import DUCKDB
from connectors.warehouse.loading import Warehouse
from pipelines.settings import Settings

if TYPE_CHECKING:
    from connectors.eight_sleep.connection import EightSleepConnection


def open_home(settings: Settings, clock: Clock = utc_now) -> Home:
    """The home of the settings, made if need be. Raises: WrongUsage if it cannot be written."""
    key, secret = settings.nightshift_pseudonym_key, settings.nightshift_secret_key
    home = Home(
        root=settings.nightshift_home.resolve(),
        state_url=settings.nightshift_state_url,
        pseudonym_key=key.get_secret_value().encode() if key else None,
        secret_key=secret.get_secret_value().encode() if secret else None,
        clock=clock,
        fhir_base=settings.nightshift_fhir_base,
        fhir_stage_intervals=settings.nightshift_fhir_stage_intervals,
        fhir_bed_samples=settings.nightshift_fhir_bed_samples == "sampled",
    )
    home.prepare()
    return home


def asleep_connection(settings: Settings, home: Home) -> AsleepConnection:
    """The Asleep account of the settings, with this home's budget."""
    key = settings.asleep_api_key
    return AsleepConnection(
        base_url=settings.asleep_base_url,
        api_key=key.get_secret_value() if key else None,
        requests_per_second=settings.asleep_requests_per_second,
        concurrency=settings.asleep_concurrency,
        budget_file=home.root / "locks" / "asleep.budget",
        clock=home.clock,
    )


def eight_sleep_accounts(settings: Settings, home: Home) -> "tuple[EightSleepConnection, ...]":
    """The Eight Sleep accounts of the settings, in their order; none when none is set. Raises: WrongUsage."""
    from connectors.eight_sleep.connection import EightSleepConnection
    from connectors.eight_sleep.login import Credentials
    from pipelines.account_file import read_accounts

    email, password = settings.eight_sleep_email, settings.eight_sleep_password
    application = (settings.eight_sleep_client_id, settings.eight_sleep_client_secret)
    client_id, client_secret = (part.get_secret_value() if part else None for part in application)
    if settings.eight_sleep_accounts_file:
        accounts = read_accounts(settings.eight_sleep_accounts_file)
    else:
        accounts = [(email.get_secret_value(), password.get_secret_value())] if email and password else []
    return tuple(
        EightSleepConnection(
            home,
            Credentials(*account, client_id, client_secret),
            auth_url=settings.eight_sleep_auth_url,
            client_url=settings.eight_sleep_client_url,
            app_url=settings.eight_sleep_app_url,
        )
        for account in accounts
    )


def open_warehouse(settings: Settings, home: Home) -> Warehouse:
    """The warehouse of the settings; by default ``warehouse.duckdb`` in the home. Raises: WrongUsage."""
    if file := warehouse_file(settings, home):
        from connectors.warehouse.duckdb import DuckDbWarehouse

        return DuckDbWarehouse(file)
    url = settings.nightshift_warehouse_url or ""
    if url.startswith("postgresql"):
        from connectors.warehouse.postgresql import PostgresWarehouse

        return PostgresWarehouse(url)
    from connectors.warehouse.sqlalchemy_loader import SqlAlchemyWarehouse

    return SqlAlchemyWarehouse(url)


def warehouse_file(settings: Settings, home: Home) -> Path | None:
    """Where the DuckDB warehouse lies; None when the warehouse is another database."""
    url = settings.nightshift_warehouse_url
    if url is None:
        return home.root / "warehouse.duckdb"
    return Path(url.removeprefix(DUCKDB)).resolve() if url.startswith(DUCKDB) else None
