"""How often something may be tried, and how long to wait after failures.

Numbers of attempts in a time (per address, per conversation) are counted by the library ``limits`` in the memory of this
process. The delay that grows with each failure is in the account's row for accounts that exist; for e-mails that nobody
has the same delays are kept here, so that the waiting does not tell which accounts exist.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from core import clock
from core.settings import settings

SIGN_IN_PER_ADDRESS = RateLimitItemPerMinute(60, 10)
"""Attempts to sign in to the console from one network address: an office shares one."""
CODES_PER_CONVERSATION = RateLimitItemPerMinute(10, 15)
CODES_PER_ADDRESS = RateLimitItemPerMinute(60, 15)
"""A meeting hall shares one address; a code has twelve digits."""
NOTED = RateLimitItemPerMinute(60, 10)
"""Refusals of one kind by one sender that go into the audit log: nobody can fill it."""

FREE_FAILURES = 5
"""Failures in a row that cost no waiting."""
LONGEST_DELAY = timedelta(minutes=15)
FORGOTTEN = timedelta(hours=24)
"""Failures count no more when the last waiting ended this long ago."""
REMEMBERED = 20_000
"""E-mails that nobody has whose failures are remembered; beyond that the oldest are forgotten."""


class Attempts:
    """Counters of attempts in moving windows."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, limit: RateLimitItem, kind: str, key: str) -> bool:
        """Count an attempt of *kind* by *key*; whether it is within *limit*. Always True when limits are switched off."""
        return not settings().rate_limits or self._limiter.hit(limit, kind, key)

    def clear(self) -> None:
        """Forget everything."""
        self._limiter = MovingWindowRateLimiter(MemoryStorage())


attempts = Attempts()
"""The counters of this process."""


@dataclass(frozen=True)
class Failures:
    """Failures in a row and until when no further attempt is looked at."""

    count: int = 0
    locked_until: datetime | None = None

    def waiting(self, now: datetime) -> timedelta | None:
        """How long to wait still; None when an attempt may be made."""
        return self.locked_until - now if self.locked_until is not None and self.locked_until > now else None

    def after(self, now: datetime) -> Failures:
        """With one more failure, at *now*."""
        old = self.locked_until is None or now - self.locked_until > FORGOTTEN
        count = 1 if old else self.count + 1
        return Failures(count, now + delay(count))


def delay(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: nothing for five, then 2, 4, 8 … seconds, at most 15 minutes."""
    doublings = failures - FREE_FAILURES
    if doublings <= 0:
        return timedelta()
    return min(LONGEST_DELAY, timedelta(seconds=2 ** min(doublings, 10)))


class UnknownEmails:
    """Failures of e-mails that have no account, by their keyed hash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[bytes, Failures] = OrderedDict()

    def count(self, email_hash: bytes) -> timedelta | None:
        """Count an attempt, unless it is not time yet: then how long to wait still."""
        now = clock.now()
        with self._lock:
            before = self._failures.get(email_hash, Failures())
            waiting = before.waiting(now)
            if waiting is None:
                self._failures[email_hash] = before.after(now)
                self._failures.move_to_end(email_hash)
                if len(self._failures) > REMEMBERED:
                    self._failures.popitem(last=False)
            return waiting

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._failures.clear()


unknown_emails = UnknownEmails()
"""What this process remembers."""


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, the /64 of an IPv6 address (one household has that many)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def in_words(wait: timedelta) -> str:
    """A waiting time as people say it, rounded up: "8 giây", "3 phút"."""
    seconds = math.ceil(wait.total_seconds())
    return f"{max(seconds, 1)} giây" if seconds < 60 else f"{math.ceil(seconds / 60)} phút"
