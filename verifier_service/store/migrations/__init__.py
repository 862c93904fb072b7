"""The migrations, which alembic applies when a service opens the database."""
