"""``nightshift sandbox``: the simulators of both vendors on their own, under one origin."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import print_table, say

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from connectors.eight_sleep.sandbox import World as Beds

DEFAULT_KEY = "sandbox-key"


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    users: Annotated[int, typer.Option(min=0, max=100_000, help="Users in the world.")] = 24,
    nights: Annotated[int, typer.Option(min=1, max=3_660, help="Nights each user has slept, ending now.")] = 30,
    seed: Annotated[int, typer.Option(help="Same seed, same world, same faults.")] = 1,
    beds: Annotated[
        int, typer.Option(min=0, max=15, help="Eight Sleep beds, each of a user and a partner without a phone.")
    ] = 1,
    key: Annotated[str, typer.Option(help="The API key the simulator accepts.")] = DEFAULT_KEY,
    now: Annotated[
        str | None,
        typer.Option(help="The world's time, such as 2026-11-22T06:00:00Z; default now, and in beds time goes on."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="How the vendor misbehaves, such as storm; see --list.")] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Another documented shape of answers; repeatable; see --list.")
    ] = None,
    cases: Annotated[bool, typer.Option("--cases", help="Add every odd session, each with a user of its own.")] = False,
    limit: Annotated[
        float | None, typer.Option(help="Requests a second, over any 10 s, beyond which the vendor answers 403.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Print profiles, variants and cases, and do nothing.")] = False,
) -> None:
    """Run the simulators of Asleep and Eight Sleep until interrupted. No data of real people, no real account."""
    from connectors.asleep.sandbox.app import build_app
    from connectors.asleep.sandbox.cases import CASES
    from connectors.asleep.sandbox.faults import Faults
    from connectors.asleep.sandbox.meter import Limit, Meter
    from connectors.asleep.sandbox.profiles import PROFILES
    from connectors.asleep.sandbox.variants import VARIANTS
    from connectors.asleep.sandbox.world import World
    from connectors.sandbox.household import beds_of, going_on_from, together
    from connectors.sandbox.server import serve

    if show:
        _print_names("Profiles", {name: kept.does for name, kept in PROFILES.items()})
        _print_names("Variants", VARIANTS)
        _print_names("Cases", CASES)
        return
    _check_names("--profile", [profile] if profile is not None else [], PROFILES)
    _check_names("--variant", variant or [], VARIANTS)
    moment = _moment(now) if now else None

    def ready(base_url: str) -> None:
        say(f"Asleep sandbox at {base_url}")
        say(f"  export ASLEEP_BASE_URL={base_url} ASLEEP_API_KEY={key}")
        say(f"  roster:   {base_url}/_control/users.csv")
        say(f"  controls: {base_url}/_control")
        if profile is not None:
            say(f"  profile:  {profile}, {PROFILES[profile].does}")
        for line in _bed_lines(base_url, bedroom):
            say(line)

    try:
        meter = Meter(Limit(limit) if limit is not None else None)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = ""
    if sentence:
        raise WrongUsage(f"--limit: {sentence}")
    world = World(users=users, nights=nights, seed=seed, api_key=key, now=moment)
    world.set_variants(variant or [])
    if cases:
        world.add_all_cases()
    faults = Faults(PROFILES[profile].rules if profile is not None else (), seed, profile)
    bedroom = beds_of(world, beds, going_on_from(world) if moment is None else lambda: world.now)
    try:
        serve(together(build_app(world, faults, meter), world, bedroom), port=port, on_ready=ready)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return
    raise WrongUsage(f"Port {port} cannot be used ({reason}): choose another with --port.")


def _bed_lines(base_url: str, beds: "Beds") -> "Iterator[str]":
    from connectors.eight_sleep.sandbox.server import addresses_under

    owners = [bed.sleepers()[0] for bed in beds.beds()]
    if not owners:
        return
    hosts = addresses_under(base_url)
    yield f"Eight Sleep sandbox with {len(owners)} bed{'s' if len(owners) > 1 else ''}, there too"
    yield f"  export EIGHT_SLEEP_AUTH_URL={hosts.auth} EIGHT_SLEEP_CLIENT_URL={hosts.client} \\"
    yield f"    EIGHT_SLEEP_APP_URL={hosts.app}"
    if len(owners) == 1:
        yield f"  export EIGHT_SLEEP_EMAIL={owners[0].email} EIGHT_SLEEP_PASSWORD={owners[0].password}"
    else:
        yield f"  accounts: {hosts.control}/accounts.csv    (for EIGHT_SLEEP_ACCOUNTS_FILE)"
    yield f"  roster:   {hosts.control}/users.csv"
    yield f"  controls: {hosts.control}"


def _print_names(title: str, sentences: "Mapping[str, str]") -> None:
    print_table(["name", "what it does"], sentences.items(), title)


def _check_names(option: str, names: "Collection[str]", known: "Collection[str]") -> None:
    for name in names:
        if name not in known:
            raise WrongUsage(f"{option}: {name!r} is not one of {', '.join(known)}.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUsage("--now: not a time with an offset, such as 2026-11-22T06:00:00Z.")
    return moment
