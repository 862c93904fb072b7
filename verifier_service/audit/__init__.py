"""Audit a data set: judge its own solutions several times and try cheap cheats, to find rows unfit for training."""
