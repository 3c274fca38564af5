"""``nightshift vendor rotate-key``: a key is taken only after the vendor has shown that it is one of this account."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import World
from connectors.state.roster import RosterUser, put_users, remove_user
from connectors.state.tables import vendors
from connectors.state.vendor import key_fingerprint
from schemas.asleep import ASLEEP
from tests.pipelines.doctored import KEY, Patient, healthy
from tests.system.faults import answer, faulty_sandbox
from tests.system.test_vendor_command import Ended, vendor

NEW_KEY = "canary-key-9d1e"
UNKNOWN = answer(404, json.dumps({"detail": "user does not exist"}), path="/v1/users")


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """A home filled with the old key, of an account that takes only the new one."""
    with (
        faulty_sandbox(World(users=5, nights=1, api_key=NEW_KEY)) as sandbox,
        healthy(tmp_path / "home", sandbox) as patient,
    ):
        yield patient


def rotate(patient: Patient, *arguments: str, key: str = NEW_KEY) -> Ended:
    """Run the command with this key in the environment; nobody and no key is named in what it says."""
    patient.home.state.close()
    ended = vendor(patient.sandbox, patient.root, "rotate-key", *arguments, key=key)
    told = ended.stdout + ended.stderr
    assert not [name for name in (*patient.user_ids, KEY, NEW_KEY) if name in told]
    return ended


def key_of(patient: Patient) -> str:
    """The mark of the key that the home remembers."""
    with patient.home.state.read() as connection:
        return str(connection.execute(sa.select(vendors.c.key_fingerprint)).scalar_one())


def empty_roster(patient: Patient) -> None:
    """Have nobody on the roster."""
    with patient.home.state.write() as connection:
        for user_id in patient.user_ids:
            remove_user(connection, ASLEEP, user_id)


def test_a_key_that_knows_a_user_of_the_roster_is_taken(patient: Patient) -> None:
    """One known user is enough, and no more are asked for."""
    with patient.home.state.write() as connection:
        put_users(connection, [RosterUser(ASLEEP, "A-of-nobody")])
    asked: list[str] = []
    patient.sandbox.fault = lambda request: asked.append(request.url.path)
    ended = rotate(patient)
    assert (ended.returncode, key_of(patient)) == (0, key_fingerprint(NEW_KEY)), ended.stderr
    assert len(asked) == 2


@pytest.mark.parametrize("rostered", [True, False])
@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_a_key_that_the_vendor_refuses_is_refused(patient: Patient, rostered: bool, yes: tuple[str, ...]) -> None:
    """401, with users or without and whatever is agreed to: exit code 1, in words, and the old key stays."""
    if not rostered:
        empty_roster(patient)
    ended = rotate(patient, *yes, key="not-the-key")
    assert (ended.returncode, key_of(patient)) == (1, key_fingerprint(KEY))
    assert "Asleep refused the API key (401)" in ended.stderr
    assert "Nothing was changed" in ended.stderr


def test_a_key_that_knows_nobody_of_the_roster_needs_a_yes(patient: Patient) -> None:
    """Three users are asked for; then it may be another account, unless a person says that it is not."""
    patient.sandbox.fault = UNKNOWN
    ended = rotate(patient)
    assert (ended.returncode, key_of(patient)) == (1, key_fingerprint(KEY))
    assert "knows none of the 3 user(s) asked for" in ended.stderr
    assert len(patient.sandbox.requests) == 3
    assert rotate(patient, "--yes").returncode == 0
    assert key_of(patient) == key_fingerprint(NEW_KEY)


def test_ids_that_cannot_be_sent_prove_no_key(patient: Patient) -> None:
    """They are refused here, before the vendor sees the key, so that even a yes asks the vendor once."""
    empty_roster(patient)
    with patient.home.state.write() as connection:
        put_users(connection, [RosterUser(ASLEEP, "never\nsent")])
    ended = rotate(patient, "--yes", key="not-the-key")
    assert (ended.returncode, key_of(patient)) == (1, key_fingerprint(KEY))


def test_users_who_are_gone_are_not_asked_for(patient: Patient) -> None:
    """The vendor has deleted them: nothing follows from its not knowing them."""
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE roster SET gone = TRUE")
    patient.sandbox.fault = UNKNOWN
    assert rotate(patient).returncode == 0
    assert not [path for path in patient.sandbox.requests if path.rpartition("/")[2] in patient.user_ids]


@pytest.mark.parametrize(
    ("status", "detail", "taken"),
    [
        (404, "user does not exist", True),
        (401, "user_id is invalid", True),
        (403, "Quota exceeded", True),
        (403, "Plan is expired", False),
        (401, "Unauthorized", False),
    ],
)
def test_with_an_empty_roster_any_answer_after_the_key_will_do(
    patient: Patient, status: int, detail: str, taken: bool
) -> None:
    """The vendor looks at the key first; a refusal of the key or plan takes nothing over."""
    empty_roster(patient)
    patient.sandbox.fault = answer(status, json.dumps({"detail": detail}), path="/v1/users")
    ended = rotate(patient)
    assert (ended.returncode == 0, key_of(patient) == key_fingerprint(NEW_KEY)) == (taken, taken)


def test_an_outage_takes_nothing_over(patient: Patient) -> None:
    """With users on the roster nothing is proven by an answer that is about none of them."""
    patient.sandbox.fault = answer(403, json.dumps({"detail": "Quota exceeded"}), path="/v1/users")
    ended = rotate(patient)
    assert (ended.returncode, key_of(patient), "quota" in ended.stderr) == (1, key_fingerprint(KEY), True)


def test_another_address_is_sent_no_key(patient: Patient) -> None:
    """Exit code 2 before anything is asked or changed."""
    with patient.home.state.write() as connection:
        connection.execute(sa.update(vendors).values(base_url="http://elsewhere.invalid"))
    seen: list[str] = []

    def watch(request: Request) -> Response | None:
        seen.append(request.url.path)
        return None

    patient.sandbox.fault = watch
    ended = rotate(patient)
    assert (ended.returncode, seen, key_of(patient)) == (2, [], key_fingerprint(KEY))
    assert "another Asleep address" in ended.stderr
