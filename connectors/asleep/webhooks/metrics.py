"""What Prometheus is told: how requests ended and how long they took, and what is seen of the home. Of nobody, ever.

Every label is one of a fixed set of words. Requests and times are counted from the start of this process; the calls to
the vendor's API are made by others, who add them to a tally of the home.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from connectors.asleep.webhooks.health import Figures, Finding
from connectors.asleep.webhooks.inbox import Outcome

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The text format that every Prometheus reads."""

_COMMIT_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_PROCESSING_S = (10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 172_800)


class Metrics:
    """The metrics of one receiver."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody needs
        self._registry = CollectorRegistry()
        ended = Counter(
            "nightshift_webhook_requests",
            "Requests to the webhook by how they ended.",
            ["outcome"],
            registry=self._registry,
        )
        self._ended = {outcome: ended.labels(outcome.value) for outcome in Outcome}
        self._committed = Histogram(
            "nightshift_webhook_commit_seconds",
            "From the end of an event's body to its commit.",
            buckets=_COMMIT_S,
            registry=self._registry,
        )
        self._processed = Histogram(
            "nightshift_webhook_processing_seconds",
            "From the receipt of an event until it was taken in, for those that were.",
            buckets=_PROCESSING_S,
            registry=self._registry,
        )
        self._seen = _Seen()
        self._registry.register(self._seen)
        ProcessCollector(registry=self._registry)

    def ended(self, outcome: Outcome) -> None:
        """A request has ended."""
        self._ended[outcome].inc()

    def committed(self, seconds: float) -> None:
        """An event is durable, so long after its body was there."""
        self._committed.observe(seconds)

    def processed(self, seconds: float) -> None:
        """An event has been taken in, so long after its receipt; from any thread."""
        self._processed.observe(seconds)

    def text(self, figures: Figures | None, findings: Mapping[str, Finding]) -> bytes:
        """All of it, as Prometheus reads it; what could not be looked at is left out."""
        self._seen.figures, self._seen.findings = figures, findings
        return generate_latest(self._registry)


class _Seen(Collector):
    """What is not counted here but was seen at the last look."""

    figures: Figures | None = None
    findings: Mapping[str, Finding] = {}

    def describe(self) -> list[Metric]:
        """Nothing beforehand: without a look there are no figures."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures that could be read."""
        if self.figures is None:
            return
        backlog, last_run_at = self.figures.backlog, self.figures.last_run_at
        fine = GaugeMetricFamily("nightshift_fine", "What /health says: 1 fine, 0 not.", labels=["what"])
        for what, finding in self.findings.items():
            fine.add_metric([what], finding.fine)
        yield fine
        sessions = GaugeMetricFamily("nightshift_sessions", "Sessions known by verdict.", labels=["verdict"])
        for verdict, count in self.figures.sessions.items():
            sessions.add_metric([verdict], count)
        yield sessions
        calls = CounterMetricFamily(
            "nightshift_api_calls",
            "Requests to the vendor's API, as told by those who have finished.",
            labels=["endpoint", "status"],
        )
        for key, count in self.figures.calls.items():
            calls.add_metric(key, count)
        yield calls
        alone = {
            "nightshift_disk_free_bytes": ("Free bytes on the disk of the home.", self.figures.free_bytes),
            "nightshift_inbox_depth": ("Events that wait in the inbox.", backlog.depth if backlog else None),
            "nightshift_inbox_oldest_age_seconds": (
                "Age of the oldest event that waits, 0 if none does.",
                (backlog.oldest_age_s or 0) if backlog else None,
            ),
            "nightshift_last_complete_pull_timestamp_seconds": (
                "When every user was last pulled in one run.",
                last_run_at.timestamp() if last_run_at else None,
            ),
        }
        for name, (words, value) in alone.items():
            if value is not None:
                yield GaugeMetricFamily(name, words, value=value)
