"""RAM on this machine: shares, invitations, organizations.

`shares` is the state and its rules, `operations` changes it, `reading` lists it, `tokens` makes
requests with a client token be carried out once, `fake` is what Lake Formation talks to as well.
"""

from meshplane.sandbox.ram.fake import RamFake

__all__ = ["RamFake"]
