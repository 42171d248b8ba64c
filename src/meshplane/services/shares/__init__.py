"""Shares of data products with other accounts, and their acceptance there.

A share goes PENDING → SHARED → GRANTED → ACCEPTED → VERIFIED → ACTIVE, or it is FAILED. The share
workflow takes each step but one: the other side's administrator accepts. No step can be left out.
"""
