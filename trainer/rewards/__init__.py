"""Rewards: what the verifier concluded, made into numbers."""
