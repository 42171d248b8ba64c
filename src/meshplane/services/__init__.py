"""The services of the mesh: one folder per bounded context."""
