"""Adapters of the platform's ports that need nothing but this machine."""
