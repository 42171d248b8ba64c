"""The composition root: settings, which service runs where, adapters, and the server.

Here alone the environment is read and adapters are chosen.
"""
