"""The one table of the first services, which made it by themselves: only a file that has none gets it here."""

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
    """Make the table where there is none. Only files had it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_TABLE)
