"""Durably accepted webhooks a second, against a bare handler; run as ``python -m benchmarks.webhooks``."""
