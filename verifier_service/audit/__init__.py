"""Which rows of a data set are fit to train on: its own solutions judged several times, and what cheap cheats get."""
