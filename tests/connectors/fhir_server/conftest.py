"""The servers that the tests of this room share: one stage for all sandboxes, and one real FHIR server."""

from collections.abc import Iterator

import pytest

from tests.connectors.fhir_server.nights import STAGE
from tests.fhir_server import RealFhirServer, running_fhir_server


@pytest.fixture(scope="package", autouse=True)
def _stage() -> Iterator[None]:
    yield
    STAGE.close()


@pytest.fixture(scope="package")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealFhirServer]:
    """A real FHIR server; tests keep apart by their ids."""
    with running_fhir_server(tmp_path_factory.mktemp("fhir-server")) as server:
        yield server
