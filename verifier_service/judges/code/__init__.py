"""The judge of code: tests to jobs, facts to verdicts."""
