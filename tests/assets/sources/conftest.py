"""A rig of every source, and an empty home that all of them copy; nobody waits for the disk."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from assets.sources.known import SOURCES
from schemas.asleep import ASLEEP
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.engine_home import empty_home
from tests.assets.sources.rigs import RIGS
from tests.assets.sources.source_rig import SourceRig

MakeRig = Callable[..., SourceRig]

SUITES_OF_ITS_OWN = {ASLEEP}
"""Sources that have deeper suites of some kinds, which run every time: tests/system, tests/assets/test_any_order.py."""

long_for_one_source = pytest.mark.parametrize(
    "source", [pytest.param(name, marks=[pytest.mark.soak] if name in SUITES_OF_ITS_OWN else []) for name in SOURCES]
)
"""Of a test that takes long: every source in turn, but in the soak those that are tried in the same way elsewhere."""


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared home with nothing in it."""
    return empty_home(tmp_path_factory.mktemp("empty") / "home")


@pytest.fixture(params=list(SOURCES))
def source(request: pytest.FixtureRequest) -> str:
    """Every source in turn."""
    name: str = request.param
    return name


@pytest.fixture
def make_rig(source: str, empty: Path, tmp_path: Path) -> Iterator[MakeRig]:
    """Makes rigs of the source, each in a folder of its own; they load no warehouse unless that is wanted."""
    with ExitStack() as opened, unawaited_disk():

        def make(folder: str = "one", nights: int = 2, *, loads: bool = False) -> SourceRig:
            rig = RIGS[source](tmp_path / folder, empty, nights=nights)
            rig.loads = loads
            opened.callback(rig.close)
            return rig

        yield make


@pytest.fixture
def rig(make_rig: MakeRig) -> SourceRig:
    """A rig of the source that loads the warehouse, with nothing pulled yet."""
    return make_rig(loads=True)


@pytest.fixture
def lake_rig(make_rig: MakeRig) -> SourceRig:
    """A rig of the source that only builds the lake and FHIR."""
    return make_rig()
