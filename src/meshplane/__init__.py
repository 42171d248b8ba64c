"""Meshplane: the control plane of a data mesh."""

__version__ = "0.1.0"
