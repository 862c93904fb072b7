"""The program of a rehearsal."""


def add(a, b):
    return a + b
