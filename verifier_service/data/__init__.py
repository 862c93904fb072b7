"""Read published data sets: turn rows in their original formats into submissions without completions.

The trainer imports this package too, so it depends only on pydantic and the standard library. Reading from the hub
needs `datasets`, and Parquet needs pyarrow.
"""
