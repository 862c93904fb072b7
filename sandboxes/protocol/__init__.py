"""What the service and a box share, as types that both ends import: messages, jobs, facts, plain values, constants.

Standard library only. From the bottom up: `constants`, `paths`, `records` (a dataclass as JSON and blobs, and back with
every field checked); `job`, `facts`, `config`; `messages` and `frames` (the stream between service and box); `child`
and `report` (what the processes inside a box say to each other); `plain` (values as tagged JSON); `digest`.
"""
