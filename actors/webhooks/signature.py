"""How a delivery is signed: to the letter as the Standard Webhooks specification (1.0.0) has it."""

import base64
import binascii
import hmac
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 # what a secret begins with is none

MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64
"""What the specification allows: 24 bytes of chance nobody guesses, and HMAC-SHA256 gains nothing beyond its block."""


def keys_of(secret: str) -> tuple[bytes, ...]:
    """The keys in a secret: one, or while it is being changed several with white space between.

    Raises:
        ValueError: one of them is no secret. The message does not repeat it.

    """
    return tuple(map(_key, secret.split()))


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not word.startswith(SECRET_PREFIX) or not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            f"a secret is {SECRET_PREFIX} and the base64 of {MIN_KEY_BYTES} to {MAX_KEY_BYTES} random bytes"
        )
    return key


def headers(delivery_id: str, at: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """What says which delivery this is, and proves that it comes from here.

    Args:
        delivery_id: of the event, the same at each try; without a full stop.
        at: of this try, in seconds since 1970.
        body: to the byte as it is sent.
        keys: each signs; without any there is no signature.

    """
    told = {"webhook-id": delivery_id, "webhook-timestamp": str(at)}
    signed = b".".join((delivery_id.encode(), str(at).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {**told, "webhook-signature": " ".join(f"v1,{one}" for one in signatures)} if keys else told
