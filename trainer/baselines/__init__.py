"""Other ways to learn from the same verdicts, for comparison: RLOO, PPO, rejection sampling, DPO."""
