"""The names of people at destinations: a Patient for each organisation that they are, or ever were, labelled with.

The pseudonym depends on the organisation, so that two organisations cannot tell that they know the same person. Who
goes from one to the other gets a new name, and everything under the former one is to be taken back.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from assets.fhir.sleep_observations import fhir_context
from connectors.home import Home
from connectors.state.outbox import erased_names, noted_orgs, sent_by_name
from connectors.state.roster import DEFAULT_ORG, RosterUser, list_users
from schemas.fhir import PERSON, Pseudonymizer


def patients_of(home: Home, state: sa.Connection, user_id: str) -> dict[str, str]:
    """``Patient/id`` of a person by organisation, for every organisation there ever was."""
    return _names(fhir_context(home).pseudonyms, _orgs(state, list_users(state)), user_id)


def former_patients(home: Home, state: sa.Connection, destination: str) -> list[str]:
    """The Patients that a destination was sent and whom the roster has under another organisation now."""
    former = [name for user, names in _everybody(home, state) for org, name in names.items() if org != user.org_id]
    return sorted(name for name, row in sent_by_name(state, destination, former).items() if not row.erased)


def erased_patients(home: Home, state: sa.Connection, destination: str) -> frozenset[str]:
    """Every name of the rostered people who were erased at a destination, under whichever organisation that was."""
    erased = erased_names(state, destination)
    if not erased:
        return frozenset()
    everybody = (set(names.values()) for _, names in _everybody(home, state))
    return frozenset().union(*(names for names in everybody if names & erased))


def _everybody(home: Home, state: sa.Connection) -> Iterator[tuple[RosterUser, dict[str, str]]]:
    users, pseudonyms = list_users(state), fhir_context(home).pseudonyms
    orgs = _orgs(state, users)
    for user in users:
        yield user, _names(pseudonyms, orgs, user.user_id)


def _orgs(state: sa.Connection, users: list[RosterUser]) -> set[str]:
    return {DEFAULT_ORG, *noted_orgs(state), *(user.org_id for user in users)}


def _names(pseudonyms: Pseudonymizer, orgs: set[str], user_id: str) -> dict[str, str]:
    return {org: f"Patient/{pseudonyms.of('patient', org, PERSON, user_id)}" for org in orgs}
