"""Logs, metrics, traces, and the version of the judge."""
