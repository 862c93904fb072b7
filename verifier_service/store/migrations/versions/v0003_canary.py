"""Add the name of the canary on which a submission depends, so that rows that cannot be judged now are not taken."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_IN_LINE = "submissions_in_line"


def upgrade() -> None:
    """Add the column, also to the index for looking up rows. Existing rows have no canary."""
    op.add_column("submissions", sa.Column("canary", sa.String, nullable=False, server_default=""))
    op.drop_index(_IN_LINE, "submissions")
    op.create_index(_IN_LINE, "submissions", ["state", "kind", "client", "serial", "canary"])
