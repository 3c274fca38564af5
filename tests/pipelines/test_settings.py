"""The settings: the contract's names and defaults, environment over ``.env``, every mistake at once, no value shown."""

import warnings
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import WrongUsage
from pipelines.settings import Settings, load_settings

DEFAULTS = {
    "nightshift_home": Path("data"),
    "asleep_api_key": None,
    "asleep_base_url": "https://api.asleep.ai",
    "asleep_requests_per_second": 10,
    "asleep_concurrency": 32,
    "nightshift_lookback_days": 35,
    "nightshift_completeness_threshold": 0.95,
    "nightshift_schedule": "0 4 * * *",
    "nightshift_run_history_days": 90,
    "nightshift_state_url": None,
    "nightshift_warehouse_url": None,
    "nightshift_pseudonym_key": None,
    "nightshift_secret_key": None,
    "eight_sleep_email": None,
    "eight_sleep_password": None,
    "eight_sleep_accounts_file": None,
    "eight_sleep_client_id": None,
    "eight_sleep_client_secret": None,
    "eight_sleep_auth_url": "https://auth-api.8slp.net",
    "eight_sleep_client_url": "https://client-api.8slp.net",
    "eight_sleep_app_url": "https://app-api.8slp.net",
    "nightshift_bed_schedule": None,
    "asleep_webhook_keys": None,
    "nightshift_webhook_unknown_users": "quarantine",
    "nightshift_webhook_retention_days": 30,
    "nightshift_reconcile_days": 7,
    "fhir_base_url": None,
    "fhir_token": None,
    "fhir_client_id": None,
    "fhir_private_key_file": None,
    "fhir_key_id": None,
    "fhir_token_url": None,
    "fhir_scope": None,
    "fhir_requests_per_second": 10,
    "nightshift_fhir_base": "https://example.org/fhir",
    "nightshift_fhir_stage_intervals": False,
    "nightshift_fhir_bed_samples": "off",
    "nightshift_fhir_provenance": True,
    "nightshift_fhir_validated_share": 0.05,
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the folder of the developer counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refusal() -> str:
    """The one sentence with which the settings are refused."""
    with pytest.raises(WrongUsage) as refused:
        load_settings()
    assert refused.value.exit_code == 2
    assert refused.value.__context__ is None
    return str(refused.value)


def test_defaults_are_those_of_the_contract() -> None:
    """With nothing set, every setting is there with its documented default, and no other one is."""
    assert load_settings().model_dump() == DEFAULTS


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name in capitals; secrets and numbers come typed."""
    values = {
        "NIGHTSHIFT_HOME": "/srv/nightshift",
        "ASLEEP_API_KEY": "an api key",
        "ASLEEP_BASE_URL": "http://127.0.0.1:8000/",
        "ASLEEP_REQUESTS_PER_SECOND": "2.5",
        "ASLEEP_CONCURRENCY": "4",
        "NIGHTSHIFT_LOOKBACK_DAYS": "7",
        "NIGHTSHIFT_SCHEDULE": "30 3 * * mon-fri",
        "NIGHTSHIFT_RUN_HISTORY_DAYS": "0",
        "NIGHTSHIFT_STATE_URL": "sqlite:////srv/state.db",
        "NIGHTSHIFT_WAREHOUSE_URL": "duckdb:////srv/warehouse.duckdb",
        "NIGHTSHIFT_PSEUDONYM_KEY": "sixteen letters!",
        "ASLEEP_WEBHOOK_KEYS": "old key, new-key",
        "NIGHTSHIFT_WEBHOOK_UNKNOWN_USERS": "enrol",
        "NIGHTSHIFT_WEBHOOK_RETENTION_DAYS": "0",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert found.nightshift_home == Path("/srv/nightshift")
    assert found.asleep_api_key is not None
    assert found.asleep_api_key.get_secret_value() == "an api key"
    assert found.asleep_base_url == "http://127.0.0.1:8000"
    assert (found.asleep_requests_per_second, found.asleep_concurrency, found.nightshift_lookback_days) == (2.5, 4, 7)
    assert found.nightshift_schedule == "30 3 * * mon-fri"
    assert found.nightshift_run_history_days == 0
    assert found.nightshift_state_url == "sqlite:////srv/state.db"
    assert found.nightshift_warehouse_url == "duckdb:////srv/warehouse.duckdb"
    assert found.nightshift_pseudonym_key is not None
    assert found.nightshift_pseudonym_key.get_secret_value() == "sixteen letters!"
    assert webhook_keys(found) == ["old key", "new-key"]
    assert found.nightshift_webhook_unknown_users == "enrol"
    assert found.nightshift_webhook_retention_days == 0


def webhook_keys(settings: Settings) -> list[str]:
    """The keys of webhooks in plain text."""
    return [key.get_secret_value() for key in settings.asleep_webhook_keys or ()]


@given(st.lists(st.text("aZ09_-=.+/'\"[{ ", min_size=1, max_size=40).filter(str.strip), min_size=1, max_size=5))
def test_webhook_keys_are_separated_by_commas(keys: list[str]) -> None:
    """One to five, from the environment or ``.env``; spaces around them do not count, and nothing is read as JSON."""
    found = load_settings(asleep_webhook_keys=" , ".join(keys))
    assert webhook_keys(found) == [key.strip() for key in keys]


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is only in ``.env`` is read from there; what is not ours in it does not matter."""
    Path(".env").write_text("ASLEEP_CONCURRENCY=4\nNIGHTSHIFT_LOOKBACK_DAYS=7\nSOMEBODY_ELSES=1\n# comment\n")
    monkeypatch.setenv("ASLEEP_CONCURRENCY", "8")
    assert (load_settings().asleep_concurrency, load_settings().nightshift_lookback_days) == (8, 7)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfASLEEP_CONCURRENCY=4\n", b"ASLEEP_CONCURRENCY=4\r\n"])
def test_a_file_of_another_system_is_read(content: bytes) -> None:
    """A BOM before the first name and CRLF behind a value are not part of them."""
    Path(".env").write_bytes(content)
    assert load_settings().asleep_concurrency == 4


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment it does not hide the one of the file; in the file it is the default."""
    Path(".env").write_text("ASLEEP_CONCURRENCY=4\nNIGHTSHIFT_LOOKBACK_DAYS=\nASLEEP_API_KEY=\n")
    monkeypatch.setenv("ASLEEP_CONCURRENCY", "")
    found = load_settings()
    assert (found.asleep_concurrency, found.nightshift_lookback_days, found.asleep_api_key) == (4, 35, None)


def test_a_file_that_is_not_text_is_wrong_usage() -> None:
    """Told as a setting would be, without its content."""
    Path(".env").write_bytes(b"ASLEEP_API_KEY=canary\xff\n")
    assert refusal() == "Settings are wrong: .env cannot be read as UTF-8 text. Correct the environment or .env."


def test_every_wrong_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and rule, in one sentence, wherever it stands; no value is shown, and the good ones are not named."""
    Path(".env").write_text("ASLEEP_CONCURRENCY=canary\nNIGHTSHIFT_LOOKBACK_DAYS=0\nNIGHTSHIFT_HOME=canary\n")
    wrong = {
        "ASLEEP_API_KEY": "canary-key",
        "ASLEEP_BASE_URL": "canary.example",
        "ASLEEP_REQUESTS_PER_SECOND": "-3.125",
        "NIGHTSHIFT_SCHEDULE": "61 canary * * *",
        "NIGHTSHIFT_WAREHOUSE_URL": "oracle://user:canary@host/db",
        "NIGHTSHIFT_PSEUDONYM_KEY": "canary",
        "ASLEEP_WEBHOOK_KEYS": "canary,,canary",
        "NIGHTSHIFT_WEBHOOK_UNKNOWN_USERS": "canary",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    told = refusal()
    assert told == (
        "Settings are wrong: "
        "ASLEEP_BASE_URL must start with http:// or https://; "
        "ASLEEP_REQUESTS_PER_SECOND should be greater than 0; "
        "ASLEEP_CONCURRENCY should be a valid integer, unable to parse string as an integer; "
        "NIGHTSHIFT_LOOKBACK_DAYS should be greater than or equal to 1; "
        "NIGHTSHIFT_SCHEDULE must be a cron line of five fields, such as 0 4 * * *; "
        "NIGHTSHIFT_WAREHOUSE_URL must be of a database whose driver is installed: that of postgresql comes with "
        "nightshift[postgres]; "
        "NIGHTSHIFT_PSEUDONYM_KEY must have at least 16 characters; "
        "ASLEEP_WEBHOOK_KEYS must be keys of plain characters, separated by commas; "
        "NIGHTSHIFT_WEBHOOK_UNKNOWN_USERS should be 'quarantine' or 'enrol'. "
        "Correct the environment or .env."
    )
    assert "canary" not in told
    assert "3.125" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASLEEP_REQUESTS_PER_SECOND", value)
        for value in ("0", "nan", "inf", "-inf", "10001", "ten", "1e999", "0x10", "1,5")
    ]
    + [("ASLEEP_CONCURRENCY", value) for value in ("0", "-1", "1.5", "1001", "true", "9" * 5000)]
    + [("NIGHTSHIFT_LOOKBACK_DAYS", value) for value in ("0", "366", "35 days", "3.5")]
    + [("NIGHTSHIFT_RUN_HISTORY_DAYS", value) for value in ("-1", "36501", "90 days", "0.5")]
    + [("ASLEEP_BASE_URL", value) for value in ("ftp://a.example", "api.asleep.ai", "HTTP//x")]
    + [("NIGHTSHIFT_WAREHOUSE_URL", value) for value in ("warehouse.duckdb", "duckdb://x")]
    + [("NIGHTSHIFT_PSEUDONYM_KEY", "x" * 15)]
    + [("ASLEEP_WEBHOOK_KEYS", value) for value in (",", "a,", " , b", "ké", "a\tb", "1,2,3,4,5,6")]
    + [("NIGHTSHIFT_WEBHOOK_UNKNOWN_USERS", value) for value in ("reject", "Quarantine")]
    + [("NIGHTSHIFT_WEBHOOK_RETENTION_DAYS", value) for value in ("-1", "36501", "30 days")],
)
def test_a_value_out_of_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One wrong setting is one clause."""
    monkeypatch.setenv(name, value)
    told = refusal()
    assert told.startswith(f"Settings are wrong: {name} ")
    assert ";" not in told
    assert value not in told.removeprefix(f"Settings are wrong: {name} ").split(", such as")[0].split()


NO_CRON_LINES = """0 4 * *|0 4 * * * *|a b c d e|60 4 * * *|0 24 * * *|0 4 0 * *|0 4 32 * *|0 4 * 13 *|0 4 * * 8
*/0 * * * *|1- * * * *|-1 * * * *|1,,2 * * * *|/5 * * * *|* */24 * * *|* * * */feb *|* * * * mond|@daily"""


@pytest.mark.parametrize("cron", NO_CRON_LINES.replace("\n", "|").split("|"))
def test_a_schedule_that_is_no_cron_line_is_refused(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    """At start, not when Dagster first looks at it."""
    monkeypatch.setenv("NIGHTSHIFT_SCHEDULE", cron)
    assert refusal() == (
        "Settings are wrong: NIGHTSHIFT_SCHEDULE must be a cron line of five fields, such as 0 4 * * *. "
        "Correct the environment or .env."
    )


def dagster_accepts(cron: str) -> bool:
    """Whether a schedule can be made of it, be it an odd one such as every 5th day of Monday to Monday."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found a cron schedule with an interval greater than", UserWarning)
            dg.ScheduleDefinition("nightly", cron_schedule=cron, job_name="nightly")
    except dg.DagsterInvalidDefinitionError:
        return False
    return True


def cron_fields(first: int, last: int, *names: str) -> st.SearchStrategy[str]:
    """Fields of a cron line: a star, values, ranges and lists, with or without a step."""
    value = st.integers(first, last).map(str) | st.sampled_from([str(first), *names])
    ranges = st.tuples(st.integers(first, last), st.integers(first, last)).map(lambda ends: f"{min(ends)}-{max(ends)}")
    stepped = st.tuples(st.just("*") | ranges, st.integers(1, last)).map(lambda parts: f"{parts[0]}/{parts[1]}")
    return st.just("*") | value | st.lists(value | ranges, min_size=1, max_size=3).map(",".join) | stepped


# Days up to the 28th only: a 31st of February is well formed, but never comes, and refused below.
@given(
    st.tuples(
        cron_fields(0, 59),
        cron_fields(0, 23),
        cron_fields(1, 28),
        cron_fields(1, 12, "jan", "Dec"),
        cron_fields(0, 7, "sun", "Sat"),
    ).map(" ".join)
)
def test_a_schedule_that_is_accepted_is_one_for_dagster_too(cron: str) -> None:
    """Every well-formed cron line passes here, and none that passes here breaks the definitions."""
    assert load_settings(nightshift_schedule=cron).nightshift_schedule == cron
    assert dagster_accepts(cron)


@given(st.lists(st.text("0123456789*/,-", min_size=1, max_size=4), min_size=5, max_size=5).map(" ".join))
def test_whatever_is_accepted_dagster_accepts(cron: str) -> None:
    """No odd mixture of the right letters gets through."""
    try:
        load_settings(nightshift_schedule=cron)
    except WrongUsage:
        return
    assert dagster_accepts(cron)


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 feb *", "30 4 31 4,6,9,11 *", "0 0 30-31 2 *", "0 0 31 2 1"])
def test_a_schedule_that_never_comes_is_refused(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    """In words; Dagster would refuse it later with a traceback, or never tick, or only on the weekday beside it."""
    monkeypatch.setenv("NIGHTSHIFT_SCHEDULE", cron)
    assert refusal() == (
        "Settings are wrong: NIGHTSHIFT_SCHEDULE names a day that none of its months has. "
        "Correct the environment or .env."
    )


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 29-31 2 *", "0 0 31 * *", "0 0 30-31 2,3 *", "0 0 */31 2 *"])
def test_a_schedule_that_comes_seldom_is_accepted(cron: str) -> None:
    """A leap day, and months of which only some have the day."""
    assert load_settings(nightshift_schedule=cron).nightshift_schedule == cron
    assert dagster_accepts(cron)


STATE_URLS = {
    "canary": "must be the address of a database, such as postgresql+psycopg://user@host:5432/database",
    "postgresql+psycopg://user:canary@host:canary/db": "must have a whole number below 65536 as port, such as "
    "postgresql+psycopg://user@host:5432/database",
    "postgresql+psycopg://canary@host:65536/db": "must have a whole number below 65536 as port, such as "
    "postgresql+psycopg://user@host:5432/database",
    "postgresql+psycopg://canary@[::1/db": "must have a whole number below 65536 as port, such as "
    "postgresql+psycopg://user@host:5432/database",
    "mysql://canary@host/db": "must be of postgresql or sqlite, such as postgresql+psycopg://user@host:5432/database",
    "postgresql+canary://host/db": "must name a driver that is installed: postgresql+psycopg, which comes with "
    "nightshift[postgres]",
    "postgresql+asyncpg://canary@host/db": "must name a driver that is installed: postgresql+psycopg, which comes with "
    "nightshift[postgres]",
    "postgresql+psycopg_async://canary@host/db": "must name a driver that is installed: postgresql+psycopg, which "
    "comes with nightshift[postgres]",
    "sqlite://": "must name a file, such as sqlite:////srv/nightshift/state.db",
    "sqlite:///:memory:": "must name a file, such as sqlite:////srv/nightshift/state.db",
}


@pytest.mark.parametrize("url", STATE_URLS)
def test_an_odd_address_of_the_state_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """In one clause that says what is wrong with it and shows nothing of it, before anything is opened."""
    monkeypatch.setenv("NIGHTSHIFT_STATE_URL", url)
    told = refusal()
    assert told == f"Settings are wrong: NIGHTSHIFT_STATE_URL {STATE_URLS[url]}. Correct the environment or .env."
    assert "canary" not in told


@given(st.text() | st.text("postgresql+psycopg:/@[]?&=%5432 ").map("postgresql+psycopg://".__add__))
def test_any_address_of_the_state_is_accepted_or_refused_in_words(url: str) -> None:
    """Whatever it is made of."""
    try:
        load_settings(nightshift_state_url=url)
    except WrongUsage as refused:
        assert "NIGHTSHIFT_STATE_URL must" in str(refused)  # noqa: PT017


_WAREHOUSES = "such as duckdb:///data/warehouse.duckdb or postgresql://user:password@host/database"
WAREHOUSE_URLS = {
    "canary": f"must be the address of a database, {_WAREHOUSES}",
    "postgresql://user:canary@host:canary/db": f"must have a whole number below 65536 as port, {_WAREHOUSES}",
    "postgresql://canary@host:65536/db": f"must have a whole number below 65536 as port, {_WAREHOUSES}",
    "duckdb://canary/warehouse.duckdb": f"must name a file after three slashes, {_WAREHOUSES}",
    "duckdb:///": f"must name a file, {_WAREHOUSES}",
    "duckdb:///:memory:": f"must name a file, {_WAREHOUSES}",
    "sqlite://": "must name a file, such as sqlite:////srv/nightshift/warehouse.db",
    "sqlite+canary:///file": "must be of a database whose driver is installed: that of postgresql comes with "
    "nightshift[postgres]",
}


@pytest.mark.parametrize("url", WAREHOUSE_URLS)
def test_an_odd_address_of_the_warehouse_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """In one clause that says what is wrong with it and shows nothing of it, before anything is opened."""
    monkeypatch.setenv("NIGHTSHIFT_WAREHOUSE_URL", url)
    told = refusal()
    assert (
        told == f"Settings are wrong: NIGHTSHIFT_WAREHOUSE_URL {WAREHOUSE_URLS[url]}. Correct the environment or .env."
    )
    assert "canary" not in told


@given(st.text() | st.text("postgresql+psycopg:/@[]?&=%5432 ").map("postgresql://".__add__))
def test_any_address_of_the_warehouse_is_accepted_or_refused_in_words(url: str) -> None:
    """Whatever it is made of."""
    try:
        load_settings(nightshift_warehouse_url=url)
    except WrongUsage as refused:
        assert "NIGHTSHIFT_WAREHOUSE_URL must" in str(refused)  # noqa: PT017


SECRETS = {
    "ASLEEP_API_KEY": "canary-api-key",
    "NIGHTSHIFT_PSEUDONYM_KEY": "canary-pseudonym-key",
    "ASLEEP_WEBHOOK_KEYS": "canary-webhook-key,another-canary-webhook-key",
    "NIGHTSHIFT_STATE_URL": "postgresql+psycopg://user:canary-password@host/db",
    "NIGHTSHIFT_WAREHOUSE_URL": "duckdb:///canary/warehouse.duckdb",
}


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with something to hide."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_what_is_printed_by_chance_shows_no_secret(secretive: Settings) -> None:
    """Neither keys nor addresses, which may hold a password."""
    assert "canary" not in f"{secretive!r} {secretive}"


def test_keys_are_in_no_dump_either(secretive: Settings) -> None:
    """Whoever dumps settings as JSON or as a dictionary gets stars."""
    dumped = f"{secretive.model_dump_json()} {secretive.model_dump()}"
    assert "canary-api-key" not in dumped
    assert "canary-pseudonym-key" not in dumped
    assert "canary-webhook-key" not in dumped


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"FHIR_CLIENT_ID": "canary"}, "FHIR_CLIENT_ID, FHIR_PRIVATE_KEY_FILE and FHIR_KEY_ID go together"),
        (
            {"FHIR_CLIENT_ID": "canary", "FHIR_PRIVATE_KEY_FILE": "k.pem", "FHIR_KEY_ID": "1", "FHIR_TOKEN": "canary"},
            "FHIR_TOKEN and FHIR_CLIENT_ID are two ways to log in",
        ),
    ],
)
def test_a_fhir_login_is_whole_and_one(values: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a login, or two of them, is told before anything is sent."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    sentence = refusal()
    assert told.lower() in sentence.lower()
    assert "canary" not in sentence
