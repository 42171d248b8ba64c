"""Environments of projects (dev, staging, prod) and the history of deployments to them.

A deployment takes a template, checks it, and records what was deployed, by whom and when. The
history is the only thing that says what runs where; stacks in an account are made from it.
"""
