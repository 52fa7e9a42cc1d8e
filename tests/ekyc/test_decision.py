"""The rules: only the full set accepts, whatever else is combined; a machine rejects nobody; retakes tell nothing of the register."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekyc.decision import DECIDING, Decision, Evidence, after_card, decide
from ekyc.results import FIELDS, CardReading, ChallengeResult, MatchResult, Quality, Reason

SURE = {**dict.fromkeys(FIELDS, 0.5), **dict.fromkeys(DECIDING, 0.8)}
SAME = MatchResult(0.61, "same")
LIVE = ChallengeResult("live")
FULL = Evidence(
    reading="ok", confidence=SURE, confirmed=True, register="match", face=SAME, challenge=LIVE, live=True,
    selfie_takes_left=2,
)  # fmt: skip


def decided(**other: Any) -> Decision:
    return decide(replace(FULL, **other), min_confidence=0.8)


def test_the_full_set_accepts() -> None:
    assert decide(FULL, min_confidence=0.8) == Decision("accept")


@pytest.mark.parametrize(
    ("other", "outcome", "reasons"),
    [
        ({"reading": "retake"}, "review", ("reading_doubtful",)),
        ({"confidence": {**SURE, "card_number": 0.79}}, "review", ("reading_doubtful",)),
        ({"confidence": {**SURE, "full_name": None}}, "review", ("reading_doubtful",)),
        ({"confidence": {}}, "review", ("reading_doubtful",)),
        ({"confirmed": False}, "review", ("not_confirmed",)),
        ({"register": "unknown"}, "review", ("register_unknown",)),
        ({"register": "differs"}, "review", ("register_differs",)),
        ({"register": "ambiguous"}, "review", ("register_ambiguous",)),
        ({"face": MatchResult(0.3, "review")}, "review", ("face_doubtful",)),
        ({"face": MatchResult(0.1, "different")}, "review", ("face_different",)),
        ({"face": None}, "review", ("face_doubtful",)),
        ({"challenge": ChallengeResult("review", ("flat",))}, "review", ("flat", "challenge_doubtful")),
        ({"challenge": ChallengeResult("retake", ("pose_not_seen",))}, "retake", ("pose_not_seen",)),
        ({"challenge": ChallengeResult("retake", ())}, "retake", ("pose_not_seen",)),
        (
            {"challenge": ChallengeResult("retake", ("dark", "pose_not_seen")), "selfie_takes_left": 0},
            "review",
            ("dark", "pose_not_seen", "challenge_doubtful"),
        ),
        ({"challenge": None, "live": False}, "review", ("not_live", "challenge_doubtful")),
        (
            {"challenge": None, "live": False, "face": MatchResult(None, "review", (Reason.SEVERAL_FACES,))},
            "retake",
            ("several_faces",),
        ),
        ({"challenge": None}, "review", ("challenge_doubtful",)),
        ({"live": False}, "review", ("not_live",)),
        ({"already_used": True}, "review", ("already_used",)),
        ({"contradictions": ("joined_on", "home_town")}, "review", ("contradicts_joined_on", "contradicts_home_town")),
        ({"held_back": ("signed_in_meanwhile",)}, "review", ("signed_in_meanwhile",)),
    ],
)
def test_one_piece_missing_is_no_acceptance(other: dict[str, Any], outcome: str, reasons: tuple[str, ...]) -> None:
    assert decided(**other) == Decision(outcome, reasons)  # type: ignore[arg-type]


def test_of_all_combinations_one_accepts() -> None:
    choices: dict[str, list[Any]] = {
        "reading": ["ok", "retake"],
        "confidence": [SURE, {**SURE, "date_of_birth": 0.1}],
        "confirmed": [True, False],
        "register": ["match", "unknown", "differs", "ambiguous"],
        "face": [SAME, MatchResult(0.3, "review"), MatchResult(0.1, "different"), MatchResult(None, "review"), None],
        "challenge": [LIVE, ChallengeResult("retake", ("still",)), ChallengeResult("review", ("changed_face",)), None],
        "live": [True, False],
        "already_used": [False, True],
        "contradictions": [(), ("official_on",)],
    }
    found = [decided(**dict(zip(choices, values, strict=True))) for values in product(*choices.values())]
    assert len(found) == 2 * 2 * 2 * 4 * 5 * 4 * 2 * 2 * 2
    assert [place for place, decision in enumerate(found) if decision.outcome == "accept"] == [0]
    assert {decision.outcome for decision in found} == {"accept", "review", "retake"}
    assert all(decision.reasons for decision in found[1:])


codes = st.lists(st.text(min_size=1, max_size=12), max_size=2).map(tuple)
shares = st.none() | st.floats(0, 1)
evidence = st.builds(
    Evidence,
    reading=st.sampled_from(["ok", "retake", ""]),
    confidence=st.dictionaries(st.sampled_from(FIELDS), shares),
    confirmed=st.booleans(),
    register=st.sampled_from(["match", "unknown", "differs", "ambiguous"]),
    face=st.none()
    | st.builds(
        MatchResult,
        st.none() | st.floats(-1, 1),
        st.sampled_from(["same", "review", "different"]),
        st.lists(st.sampled_from(Reason), max_size=2).map(tuple),
    ),
    challenge=st.none() | st.builds(ChallengeResult, st.sampled_from(["live", "retake", "review"]), codes),
    live=st.booleans(),
    contradictions=codes,
    already_used=st.booleans(),
    held_back=codes,
    selfie_takes_left=st.integers(0, 3),
)


@settings(max_examples=300, deadline=None)
@given(evidence, st.floats(0.01, 1))
def test_nothing_but_the_full_set_accepts(given_: Evidence, least: float) -> None:
    full = (
        given_.reading == "ok"
        and all((given_.confidence.get(name) or 0) >= least for name in DECIDING)
        and given_.confirmed
        and given_.register == "match"
        and given_.face is not None
        and given_.face.decision == "same"
        and given_.challenge is not None
        and given_.challenge.decision == "live"
        and given_.live
        and not (given_.contradictions or given_.already_used or given_.held_back)
    )
    decision = decide(given_, min_confidence=least)
    assert (decision.outcome == "accept") == full
    assert decision.outcome != "reject"
    # Whether another photograph is asked for does not depend on what the register says.
    neutral = replace(given_, register="unknown", contradictions=("x",), already_used=True, held_back=())
    assert (decision.outcome == "retake") == (decide(neutral, min_confidence=least).outcome == "retake")


@pytest.mark.parametrize(
    ("decision", "reasons", "left", "expected"),
    [
        ("ok", (), 0, Decision("accept")),
        ("retake", (Reason.GLARE, Reason.BLURRED), 1, Decision("retake", ("glare", "blurred"))),
        ("retake", (Reason.NO_CARD,), 0, Decision("review", ("no_card",))),
    ],
)
def test_after_the_card(decision: str, reasons: tuple[Reason, ...], left: int, expected: Decision) -> None:
    reading = CardReading(dict.fromkeys(FIELDS), dict.fromkeys(FIELDS), Quality(), decision, reasons)
    assert after_card(reading, takes_left=left) == expected
