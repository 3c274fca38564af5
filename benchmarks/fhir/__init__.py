"""From rows of the lake to NDJSON, against ``fhir.resources``; run as ``python -m benchmarks.fhir``."""
