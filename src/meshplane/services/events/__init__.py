"""Events: what happened in the mesh, as it lies in the outbox. This service owns no table."""
