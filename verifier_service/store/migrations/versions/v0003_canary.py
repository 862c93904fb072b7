"""Each submission names the canary that speaks for it, so that what cannot be judged now is not taken."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_IN_LINE = "submissions_in_line"


def upgrade() -> None:
    """Add the name, and to the index in which rows are looked for. What is stored already has none."""
    op.add_column("submissions", sa.Column("canary", sa.String, nullable=False, server_default=""))
    op.drop_index(_IN_LINE, "submissions")
    op.create_index(_IN_LINE, "submissions", ["state", "kind", "client", "serial", "canary"])
