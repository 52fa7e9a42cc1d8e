"""Who verifies photographs: this product's own reading and comparison, or a vendor's, behind one interface.

``EKYC_VENDOR`` names a factory as ``package.module:name``; what it returns does all three. A vendor changes what is seen, never who
decides: the rules are ``ekyc.decision``, whoever looked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Protocol, runtime_checkable

from core.settings import settings
from ekyc.results import Burst, CardReading, ChallengeResult, Image, MatchResult, Pose


class VerifierError(Exception):
    """``EKYC_VENDOR`` names nothing that verifies; the message says what is wrong, for whoever runs the installation."""


@runtime_checkable
class Verifier(Protocol):
    """What a sign-up needs. Nothing is kept after a call, and no vector of a face is returned."""

    def read_card(self, image: Image) -> CardReading:
        """The fields of a member card on a photograph."""

    def match(self, image_a: Image, image_b: Image) -> MatchResult:
        """Whether two pictures show the same person."""

    def judge(
        self, asked: Sequence[Pose], bursts: Sequence[Burst], *, portrait: Image | None = None
    ) -> ChallengeResult:
        """Whether a living person followed the requests; *portrait* is that of the card."""


class LocalVerifier:
    """The product's own; its models are loaded with the first call and stay in the process."""

    def read_card(self, image: Image) -> CardReading:
        """By ``ekyc.reading``."""
        from ekyc import reading  # noqa: PLC0415 - libraries and models of some hundred megabytes, for the worker only

        return reading.read_card(image)

    def match(self, image_a: Image, image_b: Image) -> MatchResult:
        """By ``ekyc.faces``."""
        from ekyc import faces  # noqa: PLC0415

        return faces.match(image_a, image_b)

    def judge(
        self, asked: Sequence[Pose], bursts: Sequence[Burst], *, portrait: Image | None = None
    ) -> ChallengeResult:
        """By ``ekyc.challenge``."""
        from ekyc import challenge  # noqa: PLC0415

        return challenge.judge(asked, bursts, portrait=portrait)


def verifier() -> Verifier:
    """The verifier of this installation. Errors: VerifierError."""
    vendor = settings().ekyc_vendor
    return _vendor(vendor) if vendor else _local()


@lru_cache(maxsize=1)
def _local() -> Verifier:
    return LocalVerifier()


@lru_cache(maxsize=1)
def _vendor(name: str) -> Verifier:
    module, separator, attribute = name.partition(":")
    if not separator or not module or not attribute:
        raise VerifierError(f"EKYC_VENDOR must read package.module:factory, not {name!r}")
    try:
        factory: Callable[[], object] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise VerifierError(f"EKYC_VENDOR {name!r} cannot be loaded: {error}") from error
    made = factory()
    if not isinstance(made, Verifier):
        raise VerifierError(f"what EKYC_VENDOR {name!r} makes lacks read_card, match or judge")
    return made
