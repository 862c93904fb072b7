"""Data sets as they are published: from rows in their own formats to submissions without completion.

The trainer imports this room too, so it needs pydantic and the standard library only. `datasets` is used for the
hub, and pyarrow for Parquet, where they are installed.
"""
