"""Sandboxes and homes of the Eight Sleep tests; a home's database is copied, because making it takes a while."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.eight_sleep.sandbox import Addresses, Faults, Limits, World, build_app
from connectors.eight_sleep.sandbox.server import serving
from connectors.home import Home
from tests.connectors.eight_sleep.rig import Clock, Rig


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing has happened, with its database."""
    home = Home(tmp_path_factory.mktemp("empty") / "home")
    home.prepare()
    with home.state.read():
        pass
    home.state.close()
    return home.root


@dataclass
class Stage:
    """One server for all tests, because starting one takes a while; each test puts its own world on it."""

    app: ASGIApp
    addresses: Addresses = field(default_factory=lambda: Addresses("", "", ""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """The server, with nothing on it yet."""
    stage = Stage(build_app(World(beds=0)))
    with serving(stage) as stage.addresses:
        yield stage


@pytest.fixture
def rig(tmp_path: Path, empty_home: Path, stage: Stage) -> Iterator[Rig]:
    """A home, and a sandbox with two beds and the documented limits."""
    root = tmp_path / "home"
    shutil.copytree(empty_home, root)
    clock = Clock()
    world, faults, limits, calls = World(beds=2, clock=clock), Faults(), Limits(clock), Counter[str]()
    stage.app = build_app(world, faults, limits, calls)
    rig = Rig(root, clock, world, faults, limits, stage.addresses, calls)
    yield rig
    for home in rig.homes:
        home.state.close()
