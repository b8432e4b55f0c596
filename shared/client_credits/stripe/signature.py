"""The Stripe-Signature header, checked and made with the standard library alone.

Format: `t=<unix seconds>,v1=<hex>[,v1=<hex>...][,v0=<hex>]`. A v1 is the HMAC-SHA256 of
`<t>.<body>` under the endpoint's whole signing secret (with its whsec_). Stripe sends one v1 for
each secret that is active while one is being rolled.
"""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

TOLERANCE_SECONDS = 300
MAX_HEADER_CHARACTERS = 4096
MAX_SIGNATURES = 16

_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(rb"[0-9a-f]{64}")


class Fault(StrEnum):
    """Why a signature is refused. Only a mismatch may become valid with other secrets."""

    MALFORMED = "malformed"
    STALE = "stale"
    MISMATCH = "mismatch"


class BadSignature(Exception):
    """The header does not prove that the body came from Stripe just now. `fault` says why not."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"signature {fault.value}")
        self.fault = fault


class SignedAt(NamedTuple):
    """What a header of the right form and time claims: its timestamp as written, and its v1 signatures."""

    timestamp: str
    signatures: tuple[bytes, ...]


def read_header(header: str, now: int, tolerance_seconds: int = TOLERANCE_SECONDS) -> SignedAt:
    """What the header claims, judged by its form and time alone: no secret is needed for that.

    The tolerance counts both ways, bounds included. Raises BadSignature and nothing else.
    """
    claimed = _parts(header)
    if abs(now - int(claimed.timestamp)) > tolerance_seconds:
        raise BadSignature(Fault.STALE)
    return claimed


def fits(body: bytes, claimed: SignedAt, secrets: Sequence[str]) -> bool:
    """Whether any of the signatures is one of `body` with any of the secrets. Blank secrets fit nothing."""
    found = False
    for secret in secrets:
        if not secret.strip():
            continue  # a blank secret would let anyone sign
        expected = _signature(body, secret, claimed.timestamp)
        for signature in claimed.signatures:
            # Every pair is compared, so that the time taken does not tell which one fits.
            found |= hmac.compare_digest(expected, signature)
    return found


def verify(
    body: bytes,
    header: str,
    secrets: Sequence[str],
    now: int,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> None:
    """Return if the header is good at `now` and fits any of the secrets; no secrets refuse everything.

    Raises BadSignature and nothing else, whatever the header holds.
    """
    if not fits(body, read_header(header, now, tolerance_seconds), secrets):
        raise BadSignature(Fault.MISMATCH)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The header Stripe would send with `body` at `timestamp` (unix seconds, positive)."""
    assert secret.strip(), "a blank secret signs nothing"
    assert timestamp > 0
    return f"t={timestamp},v1={_signature(body, secret, str(timestamp)).decode()}"


def _parts(header: str) -> SignedAt:
    """The header's parts; other schemes than v1 are ignored, and so is a v1 that is no SHA-256 in hex."""
    if len(header) > MAX_HEADER_CHARACTERS or not header.isascii():
        raise BadSignature(Fault.MALFORMED)
    timestamps: list[str] = []
    signatures: list[bytes] = []
    for part in header.split(","):
        scheme, equals, value = part.partition("=")
        if scheme in ("t", "v1") and not equals:
            raise BadSignature(Fault.MALFORMED)
        if scheme == "t":
            timestamps.append(value)
        elif scheme == "v1":
            signatures.append(value.encode())
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise BadSignature(Fault.MALFORMED)
    if len(signatures) > MAX_SIGNATURES:
        raise BadSignature(Fault.MALFORMED)
    readable = tuple(signature for signature in signatures if _SIGNATURE.fullmatch(signature))
    if not readable:
        raise BadSignature(Fault.MALFORMED)
    return SignedAt(timestamps[0], readable)


def _signature(body: bytes, secret: str, timestamp: str) -> bytes:
    digest = hmac.new(secret.encode(), digestmod="sha256")
    digest.update(f"{timestamp}.".encode())
    digest.update(body)
    return digest.hexdigest().encode()
