"""Completions in which the policy writes more than once: told what the verifier found, or what a program printed."""
