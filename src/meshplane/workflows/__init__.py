"""Workflows: Amazon States Language, run embedded and durable."""
