"""Durable submissions: what `POST /v1/submissions` accepted is judged, even after a crash."""
