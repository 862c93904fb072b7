"""Judges: one for each kind of submission. They turn what was seen into verdicts."""
