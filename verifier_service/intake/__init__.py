"""Intake of requests: parsing without blocking, fair sharing of queue and memory, and freeing memory."""
