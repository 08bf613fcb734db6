"""Who is signed in: a sealed cookie, and tokens that only our own pages know.

A session is kept nowhere: the cookie holds the hash of the key that signed in and when, sealed
under a key of the ledger's, so that it counts at every replica. The key itself is asked again with
each request: what is revoked or expired is signed out within seconds. See decision 0286.
"""

import base64
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken

COOKIE = "banneton_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sessions:
    """Makes and reads sessions."""

    secret: bytes = field(repr=False)
    """32 bytes."""
    hours: int

    def begin(self, key_hash: bytes, now: datetime) -> str:
        """The cookie's value for whoever just signed in."""
        return self._fernet().encrypt_at_time(key_hash, int(now.timestamp())).decode()

    def read(self, cookie: str, now: datetime) -> bytes | None:
        """The hash of the key that signed in; none where the session is over or none of ours."""
        try:
            key_hash = self._fernet().decrypt_at_time(
                cookie.encode(), self.hours * 3600, int(now.timestamp())
            )
        except (InvalidToken, UnicodeEncodeError):
            return None
        return key_hash if len(key_hash) == _HASH_BYTES else None

    @property
    def lasts(self) -> timedelta:
        """How long a session lasts."""
        return timedelta(hours=self.hours)

    def token(self, session: str) -> str:
        """What a form of this session must carry: nobody can read it off a page but its visitor."""
        mac = hmac.digest(self.secret, b"csrf\0" + session.encode("utf-8", "replace"), "sha256")
        return base64.urlsafe_b64encode(mac).decode()

    def is_token(self, token: str, session: str) -> bool:
        """Whether a form's token is of this session."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token(session).encode())

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.secret))
