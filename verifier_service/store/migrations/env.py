"""Alembic's entry point. It gets an open connection and migrates within that connection's transaction."""

from alembic import context

from verifier_service.store.models import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
