"""Dirty partitions: whatever is marked, claimed and cleared in whatever order, no change is lost and all ends clean."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connectors.state.database import State
from connectors.state.dirty import Claim, claim, clear, list_dirty, mark_dirty

INPUTS: dict[str, tuple[str, ...]] = {"lake": (), "fhir": ("lake",)}
DAYS = ("2026-11-20", "2026-11-21")


def dirty(state: State) -> dict[str, dict[str, str]]:
    """What is dirty now."""
    with state.read() as connection:
        return list_dirty(connection)


def mark(state: State, assets: list[str], days: list[str]) -> None:
    """Mark assets and days dirty, as a pull does it."""
    with state.write() as connection:
        mark_dirty(connection, assets, days)


def test_nothing_is_dirty_at_first(state: State) -> None:
    """And claiming it says so."""
    assert dirty(state) == {}
    assert claim(state, "fhir", DAYS[0], ["lake"]) == Claim("fhir", DAYS[0], None, inputs_clean=True)
    assert clear(state, [claim(state, "fhir", DAYS[0], ["lake"])]) == []


def test_every_asset_and_day_is_marked_and_listed_in_order(state: State) -> None:
    """Days given twice are marked once; each gets a generation of its own, new with every mark."""
    mark(state, ["lake", "fhir"], [DAYS[1], DAYS[0], DAYS[1]])
    first = dirty(state)
    assert [(asset, list(days)) for asset, days in first.items()] == [("fhir", list(DAYS)), ("lake", list(DAYS))]
    mark(state, ["lake"], [DAYS[0]])
    second = dirty(state)
    assert second["lake"][DAYS[0]] != first["lake"][DAYS[0]]
    assert second["lake"][DAYS[1]] == first["lake"][DAYS[1]]
    assert second["fhir"] == first["fhir"]
    assert len({generation for days in second.values() for generation in days.values()}) == 4


def test_marking_nothing_marks_nothing(state: State) -> None:
    """No days, or no assets."""
    mark(state, ["lake"], [])
    mark(state, [], list(DAYS))
    assert dirty(state) == {}


def test_a_build_that_began_after_the_change_clears_it(state: State) -> None:
    """Only that asset and that day."""
    mark(state, ["lake", "fhir"], list(DAYS))
    assert clear(state, [claim(state, "lake", DAYS[0], [])]) == []
    assert {asset: list(days) for asset, days in dirty(state).items()} == {"fhir": list(DAYS), "lake": [DAYS[1]]}


def test_a_change_during_a_build_stays_dirty(state: State) -> None:
    """Whether or not the partition was dirty when the build began; the claim is given back."""
    mark(state, ["lake"], [DAYS[0]])
    claims = [claim(state, "lake", day, []) for day in DAYS]
    mark(state, ["lake"], list(DAYS))
    assert clear(state, claims) == claims
    assert list(dirty(state)["lake"]) == list(DAYS)


def test_a_build_from_old_inputs_clears_nothing(state: State) -> None:
    """As long as one input is dirty the result may be old; dirt of other days does not matter."""
    mark(state, ["lake", "fhir"], [DAYS[0]])
    too_early = claim(state, "fhir", DAYS[0], ["lake"])
    assert not too_early.inputs_clean
    clear(state, [claim(state, "lake", DAYS[0], [])])
    assert clear(state, [too_early]) == [too_early]
    mark(state, ["lake"], [DAYS[1]])
    assert clear(state, [claim(state, "fhir", DAYS[0], ["lake"])]) == []
    assert dirty(state) == {"lake": {DAYS[1]: dirty(state)["lake"][DAYS[1]]}}


def test_a_cleared_generation_never_clears_a_later_one(state: State) -> None:
    """A build that began before another one had cleared the partition does not clear what came since."""
    mark(state, ["lake"], [DAYS[0]])
    slow = claim(state, "lake", DAYS[0], [])
    clear(state, [claim(state, "lake", DAYS[0], [])])
    assert clear(state, [slow]) == []
    mark(state, ["lake"], [DAYS[0]])
    assert clear(state, [slow]) == [slow]
    assert list(dirty(state)["lake"]) == [DAYS[0]]


@dataclass
class Build:
    """A build under way: what it claimed, and which version of its inputs it has read, if any yet."""

    claim: Claim
    read: int | None = None


an_asset = st.sampled_from(["lake", "fhir"])


class PullsAndBuilds(RuleBasedStateMachine):
    """Raw changes and is marked, assets are built under their locks, in any order; processes die at any time.

    Versions count the changes of one day in raw; an object is the version it was built from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = State("sqlite://")  # in memory, so that there is time for many examples
        self.raw = self.marked = 0
        self.objects = dict.fromkeys(["lake", "fhir"], 0)
        self.builds: dict[str, Build] = {}

    def teardown(self) -> None:
        """Everybody dies; a pull and one build of each later all is built from the newest raw, and clean."""
        self.builds.clear()
        self.mark()
        for asset in self.objects:
            self.begin(asset, reads=True)
            self.finish(asset)
        assert dirty(self.state) == {}
        assert set(self.objects.values()) == {self.raw}
        self.state.close()

    @rule(committed=st.booleans())
    def receive(self, committed: bool) -> None:
        """Something new is durable in raw; nobody knows yet, unless the pull commits its state at once."""
        self.raw += 1
        if committed:
            self.mark()

    @rule()
    def mark(self) -> None:
        """The pull commits its state."""
        mark(self.state, list(self.objects), [DAYS[0]])
        self.marked = self.raw

    @rule(asset=an_asset)
    def mark_alone(self, asset: str) -> None:
        """Someone wanted to build this asset and found it locked."""
        mark(self.state, [asset], [DAYS[0]])

    @rule(asset=an_asset, reads=st.booleans())
    def begin(self, asset: str, reads: bool) -> None:
        """A build gets the lock and claims, dirty or not; it may read at once."""
        if asset not in self.builds:
            self.builds[asset] = Build(claim(self.state, asset, DAYS[0], INPUTS[asset]))
            if reads:
                self.read(asset)

    @rule(asset=an_asset)
    def read(self, asset: str) -> None:
        """A build reads its inputs as they are now."""
        if asset in self.builds:
            self.builds[asset].read = min((self.objects[name] for name in INPUTS[asset]), default=self.raw)

    @rule(asset=an_asset)
    def finish(self, asset: str) -> None:
        """A build that has read makes its object durable, then clears."""
        if (build := self._write(asset)) is not None:
            clear(self.state, [build.claim])
            del self.builds[asset]

    @rule()
    def finish_together(self) -> None:
        """All builds that have read make their objects durable, then clear at once."""
        ready = [build for asset in list(self.builds) if (build := self._write(asset)) is not None]
        clear(self.state, [build.claim for build in ready])
        self.builds = {asset: build for asset, build in self.builds.items() if build not in ready}

    @rule(asset=an_asset, written=st.booleans())
    def die(self, asset: str, written: bool) -> None:
        """A build is killed, before or after its object is durable."""
        if written:
            self._write(asset)
        self.builds.pop(asset, None)

    @invariant()
    def what_is_clean_is_up_to_date(self) -> None:
        """An object that is not dirty was built from everything that had been marked."""
        unclean = dirty(self.state)
        assert all(asset in unclean or version >= self.marked for asset, version in self.objects.items())

    def _write(self, asset: str) -> Build | None:
        build = self.builds.get(asset)
        if build is None or build.read is None:
            return None
        self.objects[asset] = build.read
        return build


TestPullsAndBuilds = PullsAndBuilds.TestCase
TestPullsAndBuilds.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
