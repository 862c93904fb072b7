"""Run programs: a job goes to a box and comes back as facts. Judging builds on this, and so does `POST /v1/run`."""
