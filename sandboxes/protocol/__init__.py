"""The protocol between the service and a box: messages, jobs, facts, plain values and constants that both ends import.

It uses only the standard library. From the bottom up: `constants`, `paths`, `records` (dataclasses as JSON and blobs,
with every field checked on reading); `job`, `facts`, `config`; `messages` and `frames` (the stream between service and
box); `child` and `report` (the messages between processes inside a box); `plain` (values as tagged JSON); `digest`.
"""
