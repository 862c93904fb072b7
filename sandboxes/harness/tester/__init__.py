"""The process that runs tests against a submission in another process."""
