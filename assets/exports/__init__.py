"""Exports: what is sent to destinations outside, only what changed, each thing once."""
