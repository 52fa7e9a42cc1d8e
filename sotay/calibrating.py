"""``sotay calibrate``: fit abstention to this installation's documents and put the result to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core import clock
from core.database import unit_of_work
from knowledge import abstention, answers, documents, indexing
from knowledge.calibration import CalibrationError, Example, calibrate, read_examples

__all__ = ["CalibrationError", "calibrate_file"]


def calibrate_file(path: Path) -> dict[str, Any]:
    """Fit to the questions of *path*, keep the numbers in the data folder, and report.

    Rates are fractions 0 to 1 of the answerable and of the unanswerable questions that are answered: with the numbers of
    the product, and cross-validated with the new ones. Numbers that do worse in both are not kept (``saved_to`` is None).
    Raises CalibrationError, OSError.
    """
    examples: list[Example] = read_examples(path)
    with unit_of_work() as session:
        if not documents.any_published(session):
            raise CalibrationError("nothing is published: take documents in first (sotay ingest … --publish)")

        def probe(question: str) -> abstention.Features | None:
            result = indexing.search(session, question, as_of=clock.today(), k=answers.CANDIDATES)
            return abstention.features(question, result)

        done = calibrate(examples, probe, abstention.load_parameters())
    worse = (
        done.cross_validated.answerable_answered < done.before.answerable_answered
        and done.cross_validated.unanswerable_answered >= done.before.unanswerable_answered
    )
    if not worse:
        abstention.save_parameters(done.parameters, indexing.calibration_file())
    return {
        "answerable": done.answerable,
        "unanswerable": done.unanswerable,
        "nothing_found": done.nothing_found,
        "threshold": done.parameters.dense.threshold,
        "before": _rates(done.before.answerable_answered, done.before.unanswerable_answered),
        "cross_validated": _rates(done.cross_validated.answerable_answered, done.cross_validated.unanswerable_answered),
        "saved_to": None if worse else str(indexing.calibration_file()),
    }


def _rates(answerable: float, unanswerable: float) -> dict[str, float]:
    return {"answerable_answered": round(answerable, 4), "unanswerable_answered": round(unanswerable, 4)}
