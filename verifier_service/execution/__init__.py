"""Running programs: a job goes to a box and comes back as facts. Judging stands on this, and so does `POST /v1/run`."""
