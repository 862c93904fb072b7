"""What is seen from outside: logs, metrics, traces, and which judge this is."""
