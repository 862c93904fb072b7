"""The history of the tables, which alembic applies when a service starts."""
