"""The export to a FHIR server passes the conformance suite: at a hostile server in both write forms, at a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.exports import fhir_run
from connectors.home import Home
from tests.assets.homes import StandingClock, new_home
from tests.exporters.conformance import ExporterConformance
from tests.exporters.driving import Warm
from tests.exporters.fhir_exporter import EVERY_POINT, FhirExporter
from tests.exporters.fhir_servers import RealServer, Stage
from tests.fhir_server import RealFhirServer


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        yield home


class TestHostileServerById(ExporterConformance):
    """Update-as-create, at a server that checks references."""

    @pytest.fixture
    def exporter(self, home: Home, stage: Stage, warm: Warm) -> FhirExporter:
        """To a new sandbox."""
        return FhirExporter(home, stage.show(check_references=True), warm)


class TestHostileServerConditional(ExporterConformance):
    """Conditional updates, at a server that gives ids itself and checks references."""

    @pytest.fixture
    def exporter(self, home: Home, stage: Stage, warm: Warm) -> FhirExporter:
        """To a new sandbox."""
        return FhirExporter(home, stage.show(update_create=False, check_references=True), warm)


class TestRealServer(ExporterConformance):
    """Sekmet-fhir, over its own HTTP."""

    @pytest.fixture
    def exporter(
        self, home: Home, running_server: RealFhirServer, warm: Warm, monkeypatch: pytest.MonkeyPatch
    ) -> FhirExporter:
        """To a server that nothing was sent to by this home; our own validation leaves the refusing to it."""
        monkeypatch.setattr(fhir_run, "complaints", lambda _: [])
        return FhirExporter(home, RealServer(running_server), warm, ("export.delivered:2",))


@pytest.mark.soak
class TestEveryCrashById(ExporterConformance):
    """The same, killed at every passage."""

    @pytest.fixture
    def exporter(self, home: Home, stage: Stage, warm: Warm) -> FhirExporter:
        """To a new sandbox."""
        return FhirExporter(home, stage.show(check_references=True), warm, EVERY_POINT)


@pytest.mark.soak
class TestEveryCrashConditional(ExporterConformance):
    """The same, in the other form."""

    @pytest.fixture
    def exporter(self, home: Home, stage: Stage, warm: Warm) -> FhirExporter:
        """To a new sandbox."""
        return FhirExporter(home, stage.show(update_create=False, check_references=True), warm, EVERY_POINT)
