"""Held-out accuracy, before, during and after training."""
