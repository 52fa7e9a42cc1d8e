"""Who verifies: the product's own, or a vendor named by a setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from core.settings import settings
from ekyc import challenge, faces, reading
from ekyc.results import Burst, CardReading, ChallengeResult, Image, MatchResult, Pose
from ekyc.verifier import LocalVerifier, Verifier, VerifierError, verifier

PICTURE = np.zeros((64, 64, 3), np.uint8)


class Certified:
    """A vendor's."""

    def read_card(self, image: Image) -> CardReading:
        raise AssertionError("no card is read in this test")

    def match(self, image_a: Image, image_b: Image) -> MatchResult:
        return MatchResult(0.99, "same")

    def judge(
        self, asked: Sequence[Pose], bursts: Sequence[Burst], *, portrait: Image | None = None
    ) -> ChallengeResult:
        return ChallengeResult("review", ("vendor",))


def lame() -> object:
    return object()


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    yield
    settings.cache_clear()


def choose(monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    monkeypatch.setenv("EKYC_VENDOR", vendor)
    settings.cache_clear()


def test_without_a_vendor_it_is_the_products_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = verifier()
    assert isinstance(own, LocalVerifier)
    assert isinstance(own, Verifier)
    assert verifier() is own
    called: list[object] = []
    monkeypatch.setattr(reading, "read_card", lambda image: called.append(image.shape))
    monkeypatch.setattr(faces, "match", lambda a, b: called.append((a.shape, b.shape)))
    monkeypatch.setattr(challenge, "judge", lambda asked, bursts, *, portrait: called.append((asked, bursts, portrait)))
    own.read_card(PICTURE)
    own.match(PICTURE, PICTURE)
    own.judge([Pose.FRONT], [], portrait=None)
    assert called == [(64, 64, 3), ((64, 64, 3), (64, 64, 3)), ([Pose.FRONT], [], None)]


def test_a_vendor_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, f"{__name__}:Certified")
    chosen = verifier()
    assert isinstance(chosen, Certified)
    assert chosen.match(PICTURE, PICTURE) == MatchResult(0.99, "same")
    assert verifier() is chosen


@pytest.mark.parametrize(
    ("vendor", "message"),
    [
        ("certified", "must read package.module:factory"),
        (":Certified", "must read package.module:factory"),
        ("no.such.package:make", "cannot be loaded"),
        (f"{__name__}:no_such", "cannot be loaded"),
        (f"{__name__}:lame", "lacks read_card, match or judge"),
    ],
)
def test_a_vendor_that_cannot_verify_is_said_so(vendor: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, vendor)
    with pytest.raises(VerifierError, match=message):
        verifier()
