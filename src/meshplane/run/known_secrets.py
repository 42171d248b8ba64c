"""What a process of the mesh must know and nobody else."""

from collections.abc import Callable
from dataclasses import dataclass, field

from meshplane.gateway.issuer import SigningKeys
from meshplane.platform.sealing import Seal


@dataclass(frozen=True, slots=True)
class KeptSecrets:
    """The secrets of a mesh.

    Args:
        mask_key: of hash masks, 32 bytes.
        issuer_keys: gives what the mesh's own issuer signs with; the file of a home is read, and
            made, when it is first needed.
        seal: closes what is secret in rows.
    """

    mask_key: bytes = field(repr=False)
    issuer_keys: Callable[[], SigningKeys]
    seal: Seal
