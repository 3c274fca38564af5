"""What the tests of exporters share: a warm process for children, one stage for hostile servers, one real server."""

from collections.abc import Iterator

import pytest

from tests.exporters.driving import Warm, warm_process
from tests.exporters.fhir_servers import Stage
from tests.fhir_server import RealFhirServer, running_fhir_server


@pytest.fixture(scope="package")
def warm() -> Iterator[Warm]:
    """A process that has loaded everything, to fork children from."""
    with warm_process() as process:
        yield process


@pytest.fixture(scope="package")
def stage() -> Iterator[Stage]:
    """Where hostile servers are shown."""
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(scope="package")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealFhirServer]:
    """The real server that all tests here share."""
    with running_fhir_server(tmp_path_factory.mktemp("fhir-server")) as server:
        yield server
