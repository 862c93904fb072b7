"""Separate short columns from texts; add batches, attempts and leases. Rows of the first table are copied.

The tables are spelled out here as they were in this version, because `models` keeps changing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OLD = "submissions_of_0001"
_MIGRATED_DEADLINE_S = 7 * 86400.0
_KIND = "CASE WHEN json_valid(submission) THEN json_extract(submission, '$.kind') END"
_ITEM = "CASE WHEN json_valid(submission) THEN json_extract(submission, '$.id') END"
_DONE_KIND = "CASE WHEN json_valid(result) THEN json_extract(result, '$.kind') END"
_DONE_ITEM = "CASE WHEN json_valid(result) THEN json_extract(result, '$.id') END"
_NOW = "((julianday('now') - 2440587.5) * 86400.0)"


def upgrade() -> None:
    """Create the tables and copy the rows of the first one."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP INDEX IF EXISTS by_state")
        op.rename_table("submissions", _OLD)
    _make_tables()
    if is_sqlite:
        _take_over()
        op.drop_table(_OLD)


def _make_tables() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

    def key_of_submission() -> sa.Column[int]:
        return sa.Column("serial", serial, sa.ForeignKey("submissions.serial"), primary_key=True, autoincrement=False)

    op.create_table(
        "submissions",
        sa.Column("serial", serial, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("batch_id", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("item_id", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("due_at", sa.Double),
        sa.Column("deadline_at", sa.Double, nullable=False),
        sa.Column("deadline_s", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("finished_age_s", sa.Double),
        sa.Column("size", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("submissions_in_line", "submissions", ["state", "kind", "client", "serial"])
    op.create_index("submissions_due", "submissions", ["state", "due_at"])
    op.create_index("submissions_of_batch", "submissions", ["batch_id", "serial", "state"])
    op.create_index("submissions_of_client", "submissions", ["client", "serial"])
    op.create_index("submissions_by_age", "submissions", ["finished_age_s", "size"])
    op.create_table("payloads", key_of_submission(), sa.Column("submission", sa.Text, nullable=False))
    op.create_table("results", key_of_submission(), sa.Column("result", sa.Text, nullable=False))
    op.create_table(
        "attempts",
        key_of_submission(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.Column("idempotency_key", sa.String),
        sa.Column("request_sha256", sa.String),
        sa.Column("callback_url", sa.String),
        sa.Column("callback_due_at", sa.Double),
        sa.Column("callback_tries", sa.Integer, nullable=False),
        sa.Column("callback_done_at", sa.Double),
        sa.Column("callback_error", sa.Text),
        sa.UniqueConstraint("client", "idempotency_key"),
    )
    op.create_index("batches_callback", "batches", ["callback_due_at"])
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ticked_at", sa.Double, nullable=False),
        sa.Column("age_s", sa.Double, nullable=False),
    )
    epoch = _NOW if op.get_bind().dialect.name == "sqlite" else "extract(epoch from clock_timestamp())"
    op.execute(f"INSERT INTO clock (id, ticked_at, age_s) VALUES (1, {epoch}, 0)")


def _take_over() -> None:
    """Copy the rows of a first-version file. Each becomes its own batch; running rows are queued again."""
    changed = f"min(changed_at, {_NOW})"
    op.execute(
        "INSERT INTO submissions (serial, id, batch_id, client, item_id, kind, state, attempt, deaths, due_at, "
        "deadline_at, created_at, finished_at, finished_age_s, size) "
        f"SELECT serial, id, id, '', coalesce({_DONE_ITEM}, {_ITEM}), "
        f"CASE WHEN state = 'done' THEN coalesce({_DONE_KIND}, 'unknown') WHEN {_KIND} = 'math' THEN 'math' "
        "ELSE 'code' END, "
        "CASE state WHEN 'done' THEN 'done' ELSE 'queued' END, 0, 0, "
        f"CASE state WHEN 'done' THEN NULL ELSE {_NOW} + {_MIGRATED_DEADLINE_S} END, {_NOW} + {_MIGRATED_DEADLINE_S}, "
        f"{changed}, CASE state WHEN 'done' THEN {changed} END, "
        f"CASE state WHEN 'done' THEN {changed} - {_NOW} END, coalesce(length(result), 0) + 500 "
        f"FROM {_OLD} ORDER BY serial"
    )
    op.execute(f"INSERT INTO payloads SELECT serial, submission FROM {_OLD} WHERE state <> 'done'")
    op.execute(f"INSERT INTO results SELECT serial, result FROM {_OLD} WHERE state = 'done' AND result IS NOT NULL")
    op.execute(
        "INSERT INTO batches (id, client, count, created_at, finished_at, callback_tries) "
        "SELECT batch_id, client, 1, created_at, finished_at, 0 FROM submissions"
    )
