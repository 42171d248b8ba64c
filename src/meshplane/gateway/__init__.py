"""The front door: who is calling, how often they may, and what they are told when refused.

One file holds one concern. Identity (`identity.py` and the `token_*.py` files that it uses) says
who sent a request and never trusts a token to say how it is to be checked.
"""
