"""The identity provider of the local stack: an RSA key on disk, its key set, and the tokens it signs.

The functions verify these tokens with the code that verifies an OIDC provider's on AWS; only issuer and key set
address differ, and those are parameters of the template.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "client-credits-local"
TTL_SECONDS = 12 * 3600
_NEWEST = "signing-key.pem"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Signs tokens with the newest key in ``directory``; every key there is published."""

    directory: Path
    issuer: str
    audience: str = AUDIENCE

    def mint(
        self,
        role: str,
        practice_id: str,
        client_id: str | None = None,
        *,
        ttl_seconds: int = TTL_SECONDS,
        **overrides: Any,
    ) -> str:
        """An access token. ``overrides`` replace claims by name (``aud="other"``); None leaves a claim out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": client_id or f"{role}:{practice_id}",
            "iat": now,
            "exp": now + ttl_seconds,
            "credits_practice": practice_id,
            "credits_role": role,
            "credits_client": client_id,
            **overrides,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        key = self._newest()
        return jwt.encode(kept, key, algorithm="RS256", headers={"kid": key_id(key)})

    def key_set(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves of all keys, as a JSON web key set."""
        self._newest()
        return {"keys": [_public_jwk(_load(path)) for path in sorted(self.directory.glob("*.pem"))]}

    def rotate(self, *, forget_old: bool = False) -> str:
        """Make a new signing key and return its id. Publish the key set afterwards."""
        newest = self.directory / _NEWEST
        if newest.exists():
            newest.rename(self.directory / f"retired-{time.time_ns()}.pem")
        if forget_old:
            for path in self.directory.glob("retired-*.pem"):
                path.unlink()
        return key_id(self._newest())

    def _newest(self) -> rsa.RSAPrivateKey:
        path = self.directory / _NEWEST
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            _store(rsa.generate_private_key(public_exponent=65537, key_size=2048), path)
        return _load(path)


def key_id(key: rsa.RSAPrivateKey) -> str:
    """The id under which a key is published: from its modulus, so that it needs no storing."""
    return f"local-{key.public_key().public_numbers().n % (1 << 64):016x}"


def _public_jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    public: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": key_id(key), "use": "sig", "alg": "RS256"}


def _store(key: rsa.RSAPrivateKey, path: Path) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    partial.replace(path)


def _load(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key
