"""The impostors of the measurement are impostors, each of the kind that its name says, and members are accepted."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from core.database import unit_of_work
from ekyc import faces
from ekyc.results import FIELDS
from tests.benchmarks import bench_faces
from tests.benchmarks.bench_faces import Attempt, Card, Seen

LINH, MAI, STRANGER = ((np.eye(3, dtype=np.float32)[index],) for index in range(3))
"""Three faces as different as can be."""
SELFIES: dict[str, list[Seen]] = {"linh": [LINH, LINH], "mai": [MAI], "stranger": [STRANGER]}


def card(person: str, face: Seen, number: str, name: str, born: str) -> Card:
    fields = dict.fromkeys(FIELDS) | {"card_number": number, "full_name": name, "date_of_birth": born}
    return Card(person, fields, dict.fromkeys(FIELDS, 0.95), face)


CARDS = [
    card("linh", LINH, "11223344", "Đặng Mỹ Linh", "1964-02-29"),
    card("mai", MAI, "50607080", "Trần Thị Mai", "1971-11-30"),
]


@pytest.mark.usefixtures("database")
def test_impostors_are_stopped_and_members_are_not() -> None:
    rng = np.random.default_rng(4)
    with unit_of_work() as session:
        bench_faces._register(session, CARDS)
        for attempt in islice(bench_faces._attempts(CARDS, SELFIES, rng), 200):
            assert bench_faces._decided(session, attempt) is not None, attempt.kind
        for each in CARDS:
            own = Attempt("", each.fields, each.confidence, each.face, SELFIES[each.person][0])
            assert bench_faces._decided(session, own) is None
        forged = Attempt("", CARDS[0].fields, CARDS[0].confidence, STRANGER, STRANGER)
        assert bench_faces._decided(session, forged) is None  # what the notes say: nothing tells it from the member


def test_every_kind_is_what_it_says() -> None:
    attempts = list(islice(bench_faces._attempts(CARDS, SELFIES, np.random.default_rng(5)), 400))
    assert Counter(attempt.kind for attempt in attempts) == dict.fromkeys(bench_faces.KINDS, 100)
    known = {each.fields["full_name"]: each for each in CARDS}
    for attempt in attempts:
        owner = known[attempt.fields["full_name"]]
        changed = {name for name in FIELDS if attempt.fields[name] != owner.fields[name]}
        alike = faces.decide(*faces.compare(attempt.portrait, attempt.selfie))[1] == "same"
        assert (changed, alike) == {
            "wrong_number": ({"card_number"}, True),
            "others_card": (set(), False),
            "edited_date": ({"date_of_birth"}, True),
            "swapped_faces": (set(), False),
        }[attempt.kind]
        assert not (attempt.selfie is SELFIES[owner.person][0] and alike)


@pytest.mark.usefixtures("data_dir")
def test_the_packages_have_eight_faces_each_alone() -> None:
    people = bench_faces.packaged_faces()
    assert len(people) == 8
    rng = np.random.default_rng(6)
    for pictures in people.values():
        face, reasons = faces.best_face(pictures[0])
        assert (face is not None, reasons) == (True, ())
        assert len(faces.detect(bench_faces.selfie(pictures[0], rng))) >= 1
