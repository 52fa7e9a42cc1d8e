"""Calibrated abstention: whether what a search found answers the question at all.

A logistic model over a few measures of how well the best passages match, none of which depends on the size of the
collection. Its numbers are shipped (``defaults.json``) or fitted to an organisation's own documents by
``sotay calibrate`` (``knowledge.calibration``). Without the dense side a model of its own decides by words alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from core.text import syllables
from knowledge.question_words import content_mask, question_syllables
from knowledge.search.fusion import Hit, SearchResult, Signals

__all__ = [
    "DENSE_FEATURES",
    "LEXICAL_FEATURES",
    "READ",
    "Coefficient",
    "Decision",
    "Features",
    "Model",
    "Parameters",
    "ParametersError",
    "confidence",
    "decide",
    "features",
    "load_parameters",
    "save_parameters",
]

READ = 5
"""How many of the best hits are read word for word."""
COMPARED = 12
"""How many of the best hits are compared with each other; a search should give as many."""

LEXICAL_FEATURES = (
    "coverage",
    "verbatim",
    "missing_from_best",
    "missing_syllable",
    "missing_pair",
    "unknown_pairs",
    "unknown_document",
    "document_margin",
    "length",
)
"""Measures by words alone; see :func:`features`."""
DENSE_FEATURES = (*LEXICAL_FEATURES, "dense_top", "same_document")
"""Measures when the dense side took part."""

_UNKNOWN = 1.0 - 1e-9
"""Weights from here on belong to terms that the index does not have."""
_SOFT = 0.05
"""Weight of a function word inside a verbatim run, so that a run of such words alone counts a little."""
_DOCUMENT_KINDS = frozenset(
    [
        "bo luat",
        "phap lenh",
        "nghi dinh",
        "thong tu",
        "dieu le",
        "quy che",
        "nghi quyet",
        "quyet dinh",
        "huong dan",
        "chi thi",
        "noi quy",
    ]
)


class ParametersError(ValueError):
    """A file of parameters cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Features:
    """The measures of one search; *dense* tells which of the two models they are for."""

    values: Mapping[str, float]
    dense: bool


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Weight of one feature in log odds per unit, and the feature's standard deviation where it was fitted."""

    weight: float
    scale: float


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic model: log odds = *bias* + sum of weight x feature; answer from *threshold* (a probability) on."""

    bias: float
    coefficients: Mapping[str, Coefficient]
    threshold: float

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Log odds that the question is answered. Raises KeyError when a feature is missing."""
        return self.bias + sum(entry.weight * values[name] for name, entry in self.coefficients.items())


@dataclass(frozen=True, slots=True)
class Parameters:
    """The model for searches with the dense side, and the one for searches by words alone."""

    dense: Model
    lexical: Model


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to answer, and the confidence (0 to 1) that the best hit answers the question."""

    answered: bool
    confidence: float


def decide(question: str, result: SearchResult, parameters: Parameters) -> Decision:
    """Decide whether *result* answers *question*. Nothing found, or nothing asked but function words: abstain."""
    measured = features(question, result)
    if measured is None:
        return Decision(answered=False, confidence=0.0)
    value = confidence(measured, parameters)
    threshold = (parameters.dense if measured.dense else parameters.lexical).threshold
    return Decision(answered=value >= threshold, confidence=value)


def confidence(measured: Features, parameters: Parameters) -> float:
    """The probability (0 to 1), by the fitted model, that the best hit answers the question."""
    model = parameters.dense if measured.dense else parameters.lexical
    log_odds = model.log_odds(measured.values)
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else math.exp(log_odds) / (1 + math.exp(log_odds))


def features(question: str, result: SearchResult) -> Features | None:
    """Measure how well the best hits of *result* match *question*; None when there is nothing to measure.

    A term's weight is its inverse document frequency divided by that of an unknown term, so it lies in 0 to 1 in any
    collection. Only content syllables (``question_words``) and pairs of neighbouring ones have a weight.

    - ``coverage``: largest share of the syllables' weight that one of the hits read has.
    - ``verbatim``: largest share of the question inside runs of two or more syllables that a hit has word for word.
    - ``missing_from_best``: third largest weight of a syllable that the best hit lacks (0: fewer than three).
    - ``missing_syllable``: largest weight of a syllable that none of the hits read has.
    - ``missing_pair``: second largest weight of a pair that none of the hits read has.
    - ``unknown_pairs``: share of the pairs' weight that the index does not know at all.
    - ``unknown_document``: 1 when the question names a document ("Luật …", "Điều lệ …") whose name no hit read has.
    - ``document_margin``: fused score of the best hit less that of the best one of another document (of the last hit
      where there is none).
    - ``length``: logarithm of one more than the number of syllables.
    - ``dense_top``: largest cosine.
    - ``same_document``: 1 when the best hit by words and the best by meaning are of one document.
    """
    signals = result.signals
    written, folded = question_syllables(result.restored or question)
    content = content_mask(written)
    if signals is None or not result.hits or not any(content):
        return None
    asked = _Asked.of(folded, content, result.term_weights)
    texts = [syllables(f"{hit.passage.heading} {hit.passage.text}") for hit in result.hits[:READ]]
    values = _lexical(asked, texts, result.hits[:COMPARED])
    if signals.dense_available:
        values.update(_dense(result.hits[:COMPARED], signals))
    return Features(values, dense=signals.dense_available)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question: folded syllables in order with weights, and the pairs of neighbours with theirs."""

    syllables: list[str]
    weights: list[float]
    pairs: list[str]
    pair_weights: list[float]

    @classmethod
    def of(cls, folded: list[str], content: list[bool], term_weights: Mapping[str, float]) -> _Asked:
        pairs = _pairs(folded)
        return cls(
            syllables=folded,
            weights=[term_weights.get(term, 1.0) if keep else 0.0 for term, keep in zip(folded, content, strict=True)],
            pairs=pairs,
            pair_weights=[
                term_weights.get(term, 1.0) if keep else 0.0
                for term, keep in zip(pairs, (first and second for first, second in pairwise(content)), strict=True)
            ],
        )


def _lexical(asked: _Asked, texts: Sequence[list[str]], hits: Sequence[Hit]) -> dict[str, float]:
    known = [set(text) for text in texts]
    known_pairs = set().union(*(_pairs(text) for text in texts))
    everywhere = set().union(*known)
    total, pair_total = sum(asked.weights), sum(asked.pair_weights)
    soft = [weight + _SOFT for weight in asked.weights]
    words = list(zip(asked.syllables, asked.weights, strict=True))
    pairs = list(zip(asked.pairs, asked.pair_weights, strict=True))
    top = hits[0]
    others = [hit.score for hit in hits if hit.passage.document != top.passage.document]
    return {
        "coverage": max(_share(sum(w for term, w in words if term in terms), total) for terms in known),
        "verbatim": max(_verbatim_share(asked.syllables, soft, text) for text in texts),
        "missing_from_best": _nth_largest([w for term, w in words if term not in known[0]], 3),
        "missing_syllable": _nth_largest([w for term, w in words if term not in everywhere], 1),
        "missing_pair": _nth_largest([w for term, w in pairs if term not in known_pairs], 2),
        "unknown_pairs": _share(sum(w for w in asked.pair_weights if w >= _UNKNOWN), pair_total),
        "unknown_document": float(_names_unknown_document(asked, known_pairs)),
        "document_margin": top.score - (others[0] if others else hits[-1].score),
        "length": math.log1p(len(asked.syllables)),
    }


def _dense(hits: Sequence[Hit], signals: Signals) -> dict[str, float]:
    by_words = max(hits, key=lambda hit: hit.lexical_clause).passage.document
    by_meaning = max(hits, key=lambda hit: hit.dense or 0.0).passage.document
    return {"dense_top": signals.dense_top, "same_document": float(by_words == by_meaning)}


def _verbatim_share(question: Sequence[str], weights: Sequence[float], text: Sequence[str]) -> float:
    """Share of *weights* of the syllables that stand beside the same neighbour in *text*."""
    known = set(pairwise(text))
    inside = [False] * len(question)
    for position, pair in enumerate(pairwise(question)):
        if pair in known:
            inside[position] = inside[position + 1] = True
    return _share(sum(w for w, covered in zip(weights, inside, strict=True) if covered), sum(weights))


def _names_unknown_document(asked: _Asked, known_pairs: set[str]) -> bool:
    """Whether a kind of document is followed by two content syllables that stand together in no hit read."""
    for position, pair in enumerate(asked.pairs):
        if asked.syllables[position] == "luat":
            name = position + 1
        elif pair in _DOCUMENT_KINDS:
            name = position + 2
        else:
            continue
        if name < len(asked.pairs) and asked.pair_weights[name] > 0 and asked.pairs[name] not in known_pairs:
            return True
    return False


def _pairs(items: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(items)]


def _nth_largest(values: list[float], rank: int) -> float:
    return sorted(values, reverse=True)[rank - 1] if len(values) >= rank else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def load_parameters(path: Path | None = None) -> Parameters:
    """Read parameters from JSON (as :func:`save_parameters` writes it), the shipped ones without *path*.

    Raises ParametersError.
    """
    path = path or Path(__file__).with_name("defaults.json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Parameters(
            dense=_model(data["dense"], DENSE_FEATURES), lexical=_model(data["lexical"], LEXICAL_FEATURES)
        )
    except OSError as error:
        raise ParametersError(f"{path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParametersError(
            f"{path} is not a file of abstention parameters ({error!r}): delete it, or run sotay calibrate again"
        ) from error


def save_parameters(parameters: Parameters, path: Path) -> None:
    """Write *parameters* to *path* as JSON, in one step (a reader never sees half a file)."""
    data = {
        name: {
            "bias": model.bias,
            "threshold": model.threshold,
            "coefficients": {
                feature: {"weight": entry.weight, "scale": entry.scale} for feature, entry in model.coefficients.items()
            },
        }
        for name, model in (("dense", parameters.dense), ("lexical", parameters.lexical))
    }
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _model(data: Mapping[str, object], names: Sequence[str]) -> Model:
    coefficients, bias, threshold = data["coefficients"], data["bias"], data["threshold"]
    if not isinstance(coefficients, dict) or set(coefficients) != set(names):
        raise ValueError(f"expected the features {', '.join(names)}")
    model = Model(
        bias=_number(bias),
        coefficients={
            name: Coefficient(_number(coefficients[name]["weight"]), _number(coefficients[name]["scale"]))
            for name in names
        },
        threshold=_number(threshold),
    )
    if not 0 <= model.threshold <= 1 or any(entry.scale <= 0 for entry in model.coefficients.values()):
        raise ValueError("a threshold lies in 0 to 1, a scale is positive")
    return model


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
