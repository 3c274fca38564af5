"""The settings of Eight Sleep: one account or a file of several, whole or refused in one sentence, no value shown."""

import shutil
from pathlib import Path

import pytest

from connectors.eight_sleep import connection
from connectors.eight_sleep.login import Credentials
from connectors.errors import WrongUsage
from connectors.home import Home
from pipelines.resources import eight_sleep_accounts, open_home
from pipelines.settings import Settings, load_settings

ONE = {"EIGHT_SLEEP_EMAIL": "canary@example.com", "EIGHT_SLEEP_PASSWORD": "canary-password"}
APPLICATION = {"EIGHT_SLEEP_CLIENT_ID": "canary-client", "EIGHT_SLEEP_CLIENT_SECRET": "canary-secret"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the folder of the developer counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    """The settings of an environment with these values."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def accounts_file(content: str | bytes, mode: int = 0o600) -> Settings:
    """Settings that name a file of accounts with this content."""
    path = Path("accounts.csv")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return load_settings(eight_sleep_accounts_file=path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder that nobody has to prepare, because no account is opened."""
    return Home(tmp_path / "home")


_PAIR = "EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD go together"
_TWO_WAYS = (
    "EIGHT_SLEEP_ACCOUNTS_FILE and EIGHT_SLEEP_EMAIL with EIGHT_SLEEP_PASSWORD are two ways to name accounts: "
    "set one of them"
)
_APPLICATION = "EIGHT_SLEEP_CLIENT_ID and EIGHT_SLEEP_CLIENT_SECRET go together"
_NO_ACCOUNT = (
    "EIGHT_SLEEP_CLIENT_ID and EIGHT_SLEEP_CLIENT_SECRET open no account: set EIGHT_SLEEP_EMAIL and "
    "EIGHT_SLEEP_PASSWORD, or EIGHT_SLEEP_ACCOUNTS_FILE, beside them"
)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("EMAIL", _PAIR),
        ("PASSWORD", _PAIR),
        ("EMAIL CLIENT_ID CLIENT_SECRET", _PAIR),
        ("EMAIL PASSWORD ACCOUNTS_FILE", _TWO_WAYS),
        ("PASSWORD ACCOUNTS_FILE", _TWO_WAYS),
        ("EMAIL PASSWORD CLIENT_ID", _APPLICATION),
        ("ACCOUNTS_FILE CLIENT_SECRET", _APPLICATION),
        ("CLIENT_ID CLIENT_SECRET", _NO_ACCOUNT),
        ("CLIENT_ID", _APPLICATION),
        ("EMAIL CLIENT_SECRET", f"{_PAIR}; {_APPLICATION}"),
    ],
)
def test_half_an_account_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, names: str, told: str) -> None:
    """Whatever half of it is missing, and whatever is there twice; every problem at once."""
    known = {**ONE, **APPLICATION, "EIGHT_SLEEP_ACCOUNTS_FILE": "canary.csv"}
    with pytest.raises(WrongUsage) as refused:
        read(monkeypatch, **{name: known[name] for name in (f"EIGHT_SLEEP_{part}" for part in names.split())})
    assert str(refused.value) == f"Settings are wrong: {told}. Correct the environment or .env."


def test_problems_of_two_destinations_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has half a FHIR login and half an account learns of both."""
    with pytest.raises(WrongUsage, match="FHIR_KEY_ID go together; EIGHT_SLEEP_EMAIL and"):
        read(monkeypatch, FHIR_CLIENT_ID="canary", EIGHT_SLEEP_EMAIL="canary")


def test_without_an_account_there_is_none(home: Home) -> None:
    """Whoever has no bed has nothing to set."""
    assert eight_sleep_accounts(load_settings(), home) == ()


def test_an_account_of_the_environment(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """With the hosts of the vendor, and the application's id and secret only if they are set."""
    (found,) = eight_sleep_accounts(read(monkeypatch, **ONE), home)
    assert found == connection.EightSleepConnection(home, Credentials("canary@example.com", "canary-password"))
    (found,) = eight_sleep_accounts(read(monkeypatch, **APPLICATION), home)
    assert found.credentials == Credentials("canary@example.com", "canary-password", "canary-client", "canary-secret")


def test_hosts_of_ones_own(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Such as those of a sandbox; a slash at the end does not count."""
    urls = {f"EIGHT_SLEEP_{name}_URL": f"http://127.0.0.1:1/{name.lower()}/" for name in ("AUTH", "CLIENT", "APP")}
    settings = read(monkeypatch, **ONE, **urls)
    (found,) = eight_sleep_accounts(settings, home)
    assert (found.auth_url, found.client_url) == ("http://127.0.0.1:1/auth", "http://127.0.0.1:1/client")
    assert settings.eight_sleep_app_url == "http://127.0.0.1:1/app"


def test_several_accounts_of_a_file(home: Home) -> None:
    """In its order; a BOM, CRLF, empty lines and quoted commas are no obstacle, and passwords keep their spaces."""
    text = '\ufeffemail,password\r\n a@example.com , secret \r\n\r\nb@example.com,"one,""two"""\r\n'
    found = eight_sleep_accounts(accounts_file(text), home)
    assert [(one.credentials.email, one.credentials.password) for one in found] == [
        ("a@example.com", " secret "),
        ("b@example.com", 'one,"two"'),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ", line 1: the columns must be email,password."),
        ("canary,password\n", ", line 1: the columns must be email,password."),
        ("email,password\n", " names no account: write a line email,password for each below the first."),
        ("email,password\na,b\ncanary\n", ", line 3: not two cells; a password with a comma stands in double quotes."),
        ("email,password\na,b,canary\n", ", line 2: not two cells; a password with a comma stands in double quotes."),
        ("email,password\ncanary,\n", ", line 2: the e-mail address or the password is empty."),
        ("email,password\n ,canary\n", ", line 2: the e-mail address or the password is empty."),
        ("email,password\ncanary,1\ncanary,2\n", ", line 3: this e-mail address stands in the file twice."),
        ('email,password\na,"canary"b\n', ", line 2: not valid CSV (check the quotes)."),
        (b"email,password\ncanary,\xff\n", " cannot be read (it is not UTF-8 text): name a CSV file that this user "
        "may read."),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_line(home: Home, content: str | bytes, told: str) -> None:
    """One sentence with what to do; never what stands in the file, nor its name."""
    with pytest.raises(WrongUsage) as refused:
        eight_sleep_accounts(accounts_file(content), home)
    assert str(refused.value) == f"EIGHT_SLEEP_ACCOUNTS_FILE{told}"
    assert refused.value.__context__ is None or "canary" not in str(refused.value.__context__)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_is_refused(home: Home, mode: int) -> None:
    """It holds passwords."""
    with pytest.raises(WrongUsage, match="may be read by others than its owner: run chmod 600 on it"):
        eight_sleep_accounts(accounts_file("email,password\na,b\n", mode), home)


def test_a_file_that_is_not_there_is_told(home: Home) -> None:
    """By the setting's name."""
    with pytest.raises(WrongUsage, match=r"EIGHT_SLEEP_ACCOUNTS_FILE cannot be read \(No such file or directory\)"):
        eight_sleep_accounts(load_settings(eight_sleep_accounts_file=Path("canary.csv")), home)


def test_the_default_hosts_are_those_of_the_connection() -> None:
    """The settings repeat them, so that no client is loaded to read settings."""
    found = load_settings()
    assert (found.eight_sleep_auth_url, found.eight_sleep_client_url) == (connection.AUTH_URL, connection.CLIENT_URL)


def test_the_secret_key_seals_the_tokens_of_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the settings if set, and then no key is made in the home; 16 bytes at least."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    home = open_home(read(monkeypatch, NIGHTSHIFT_SECRET_KEY="sixteen letters!"))
    assert home.secret_for_tokens() == b"sixteen letters!"
    assert not list(home.root.glob("*.key"))
    shutil.rmtree(home.root)
    with pytest.raises(WrongUsage, match="NIGHTSHIFT_SECRET_KEY must have at least 16 characters"):
        read(monkeypatch, NIGHTSHIFT_SECRET_KEY="fifteen letters")


def test_what_is_printed_by_chance_shows_no_account(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Neither settings nor connections show who logs in and how; a dump of the settings gives stars."""
    settings = read(monkeypatch, **ONE, **APPLICATION, NIGHTSHIFT_SECRET_KEY="canary-secret-key")
    shown = f"{settings!r} {settings.model_dump_json()} {eight_sleep_accounts(settings, home)!r}"
    assert "canary" not in shown
