"""Alembic's entry: runs the revisions on the connection that `Database` hands over."""

from alembic import context

from hyrisk_desktop.worklist.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata)
context.run_migrations()
