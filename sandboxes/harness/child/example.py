"""The program that a rehearsal runs (see `rehearsal`)."""


def add(a, b):
    return a + b
