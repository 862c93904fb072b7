"""Completions in several turns: the policy writes again after seeing a verdict, or the output of a program."""
