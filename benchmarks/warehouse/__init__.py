"""The warehouse against COPY, pandas, row-wise upserts and day files; run as ``python -m benchmarks.warehouse``."""
