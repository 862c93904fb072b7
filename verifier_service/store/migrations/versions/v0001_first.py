"""The table of the first versions, which created it without migrations; it is created only if it is missing."""

from alembic import op

revision = "0001"
down_revision = None

_TABLE = """
CREATE TABLE IF NOT EXISTS submissions (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    submission TEXT NOT NULL,
    result TEXT,
    changed_at REAL NOT NULL
)
"""


def upgrade() -> None:
    """Create the table if it is missing. Only SQLite files had it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_TABLE)
