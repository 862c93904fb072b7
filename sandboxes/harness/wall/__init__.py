"""The wall between tests and submission: what the submission may decide, and how it is asked."""
