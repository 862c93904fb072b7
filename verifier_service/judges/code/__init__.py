"""The judge of code: turn tests into jobs, and facts into verdicts."""
