"""Judges, one for each kind of submission. They turn what was observed into verdicts."""
