"""Rewards: turn the verifier's results into numbers."""
