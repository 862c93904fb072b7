"""What the service and a box share: frames, jobs, facts, plain values and constants. Standard library only."""
