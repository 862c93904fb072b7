"""Durable submissions: what was accepted with `POST /v1/submissions` is judged, also after a crash."""
