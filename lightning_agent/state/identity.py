"""Who the board is: its key and what the cloud answered at the enrolment.

``agent.key``   the seed of the Ed25519 key, 64 hexadecimal digits; never leaves the board
``identity.json``  uuid, name and project the cloud gave, and where the cloud is

Blocking; any thread.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from nacl.signing import SigningKey

from lightning_agent.errors import StorageFailed
from lightning_agent.protocol import names
from lightning_agent.state.files import read_json, write_atomic, write_json

KEY_FILE = "agent.key"
IDENTITY_FILE = "identity.json"


class BoardKey:
    """The board's own key; signs, and shows its public half only."""

    def __init__(self, signing_key: SigningKey) -> None:
        self._signing_key = signing_key

    @property
    def public_key(self) -> str:
        """The public half, 64 hexadecimal digits."""
        return bytes(self._signing_key.verify_key).hex()

    def sign(self, challenge: bytes) -> bytes:
        """Return signature (64 bytes) followed by the challenge."""
        return bytes(self._signing_key.sign(challenge))

    @classmethod
    def load_or_make(cls, state_dir: Path) -> Self:
        """Return the board's key, made and durably stored if there is none yet.

        :raises StorageFailed: the file holds something else or cannot be read or written
        """
        path = state_dir / KEY_FILE
        try:
            if not path.exists():
                write_atomic(path, bytes(SigningKey.generate()).hex().encode() + b"\n")
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}") from error
        return cls.load(state_dir)

    @classmethod
    def load(cls, state_dir: Path) -> Self:
        """Return the board's key.

        :raises StorageFailed: there is none, or the file holds something else
        """
        path = state_dir / KEY_FILE
        try:
            return cls(SigningKey(bytes.fromhex(path.read_text().strip())))
        except (OSError, ValueError) as error:
            raise StorageFailed(f"{path} holds no key; restore it or enrol anew") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the enrolment gave; ``url`` is where the board enrolled."""

    board: str
    name: str
    project: str
    url: str


def find_identity(state_dir: Path) -> Identity | None:
    """Return who the board is, ``None`` before the first enrolment.

    :raises StorageFailed: the file cannot be read or is not complete
    """
    path = state_dir / IDENTITY_FILE
    stored = read_json(path)
    if stored is None:
        return None
    try:
        identity = Identity(**{key: str(value) for key, value in stored.items()})
    except (AttributeError, TypeError) as error:
        raise StorageFailed(f"{path} is not complete; enrol anew") from error
    if names.UUID.fullmatch(identity.board) is None:
        raise StorageFailed(f"{path} holds no uuid; enrol anew")
    return identity


def store_identity(state_dir: Path, identity: Identity) -> None:
    """Durably replace who the board is."""
    write_json(state_dir / IDENTITY_FILE, asdict(identity))
