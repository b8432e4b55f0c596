"""The Stripe-Signature header, checked and made with the standard library alone.

Format: `t=<unix seconds>,v1=<hex>[,v1=<hex>...][,v0=<hex>]`. A v1 is the HMAC-SHA256 of
`<t>.<body>` under the endpoint's whole signing secret (with its whsec_). Stripe sends one v1 for
each secret that is active while one is being rolled.
"""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

TOLERANCE_SECONDS = 300
MAX_HEADER_CHARACTERS = 4096
MAX_SIGNATURES = 16

_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")


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


def verify(
    body: bytes,
    header: str,
    secrets: Sequence[str],
    now: int,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> None:
    """Return if any v1 of the header fits any of the secrets and `t` is near `now`.

    The tolerance counts both ways, bounds included. Blank secrets match nothing; no secrets at all
    refuse everything. Raises BadSignature and nothing else, whatever the header holds.
    """
    timestamp, signatures = _parts(header)
    if abs(now - int(timestamp)) > tolerance_seconds:
        raise BadSignature(Fault.STALE)
    fits = False
    for secret in secrets:
        if not secret.strip():
            continue  # a blank secret would let anyone sign
        expected = _signature(body, secret, timestamp)
        for signature in signatures:
            # Every pair is compared, so that the time taken does not tell which one fits.
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise BadSignature(Fault.MISMATCH)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The header Stripe would send with `body` at `timestamp` (unix seconds, positive)."""
    assert secret.strip(), "a blank secret signs nothing"
    assert timestamp > 0
    return f"t={timestamp},v1={_signature(body, secret, str(timestamp)).decode()}"


def _parts(header: str) -> tuple[str, list[bytes]]:
    """The header's timestamp as written and its v1 signatures; other schemes are ignored."""
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
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise BadSignature(Fault.MALFORMED)
    return timestamps[0], signatures


def _signature(body: bytes, secret: str, timestamp: str) -> bytes:
    digest = hmac.new(secret.encode(), digestmod="sha256")
    digest.update(f"{timestamp}.".encode())
    digest.update(body)
    return digest.hexdigest().encode()
