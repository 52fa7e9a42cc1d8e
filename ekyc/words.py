"""What words the values of a card are made of: names of people and places, titles. The prior of the vote.

``vocabulary/words.toml`` is common knowledge, no register: what stands on no list stays possible, only less likely. A listed word
can be preferred to a doubtful one that was read; the members see what was made of their card and confirm it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from core.text import fold, nfc

UNLISTED, MISSPELT = 0.05, 0.01
"""Priors of a word on no list that could be Vietnamese, and of one that could not."""
NO_FAMILY = 0.03
"""Prior of a first name that is no family name."""
_ONSET = "ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnpqrstvx]"
# Onsets and rimes of Vietnamese writing, tones apart; tones of syllables that end in a stop: Đoàn Thiện Thuật, Ngữ âm tiếng Việt (1977).
_RIME = (
    "a[cimnoptuy]?|anh|ach|ang|ă[cmnpt]|ăng|â[cmnptuy]|âng|e[cmnopt]?|eng|ê[mnptu]?|ênh|êch|i[amnptu]?|inh|ich|iê[cmnptu]|iêng|"
    "o[aceimnpt]?|ong|oa[cimnoty]|oang|oanh|oach|oă[cmnt]|oăng|oe[nt]?|ooc|oong|ô[cimnpt]?|ông|ơ[imnpt]?|u[acimnpty]?|ung|"
    "uâ[nty]|uâng|uê|uênh|uêch|uô[cimnt]|uông|uơ|uy[atnpu]?|uyn|uynh|uych|uyê[nt]|ư[acimntu]?|ưng|ươ[cimnptu]|ương|y|yê[mntu]|yêng"
)
_SYLLABLE = re.compile(f"(?:{_ONSET})?(?:{_RIME})")
_TONES = re.compile("[\\u0300\\u0301\\u0303\\u0309\\u0323]")


_LISTS = {"full_name": ("family", "given"), "issuer": ("issuer_first", "issuer", "place", "around")}


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    content = tomllib.loads((Path(__file__).parent / "vocabulary" / "words.toml").read_text(encoding="utf-8"))
    return {name: frozenset(nfc(words).split()) for name, words in content.items()}


def usual(field: str, word: str, place: int) -> float:
    """How likely *word* is in *field* (of the texts) as its word number *place*, 1 for those on the list."""
    core = _core(word)
    if not core or not core.isalpha():
        return 1.0
    lists = _lists()
    shape = core.capitalize() if core.isupper() else core
    if field == "full_name":
        if place == 0:
            return 1.0 if shape in lists["family"] else NO_FAMILY if _possible(core) else MISSPELT
        listed = shape in lists["given"] or shape in lists["family"]
    elif field == "issuer" and place == 0:
        listed = shape in lists["issuer_first"]
        return 1.0 if listed else NO_FAMILY
    elif field == "issuer":
        listed = core in lists["issuer"] or core in lists["around"] or shape in lists["place"]
    else:
        listed = core in lists["around"] or core in lists["place"]
    return 1.0 if listed else UNLISTED if _possible(core) else MISSPELT


def like(field: str, word: str) -> Sequence[str]:
    """Listed words of *field* that *word* may be: the same letters with other accents, or one letter apart."""
    core = _core(word)
    if not core.isalpha():
        return ()
    upper = core.isupper() and len(core) > 1
    shape = core.capitalize() if upper else core
    found = list(_by_letters(field).get(fold(shape), ()))
    strange = not _possible(shape) or (field != "full_name" and shape.islower() and shape not in _every(field))
    if strange and len(shape) >= 4:
        found += [listed for listed in _every(field) if Levenshtein.distance(listed, shape, score_cutoff=1) <= 1]
    return [
        word.replace(core, listed.upper() if upper else listed)
        for listed in found
        if listed != shape and listed[0].isupper() == shape[0].isupper()
    ]


@lru_cache(maxsize=4)
def _every(field: str) -> frozenset[str]:
    lists = _lists()
    names = {"full_name": ("family", "given"), "issuer": ("issuer_first", "issuer", "place", "around")}.get(
        field, ("place", "around")
    )
    return frozenset().union(*(lists[name] for name in names))


@lru_cache(maxsize=4)
def _by_letters(field: str) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for word in sorted(_every(field)):
        grouped[fold(word)].append(word)
    return grouped


def _core(word: str) -> str:
    return nfc(word).strip(".,;:()'’-/&")


@lru_cache(maxsize=4096)
def _possible(word: str) -> bool:
    """Whether *word* could be a Vietnamese syllable, tone and all."""
    apart = unicodedata.normalize("NFD", word.lower())
    tones = _TONES.findall(apart)
    plain = nfc(_TONES.sub("", apart))
    if len(tones) > 1 or not _SYLLABLE.fullmatch(plain):
        return False
    if re.search("(?:[cpt]|ch)$", plain) and len(plain) > 1:
        return tones in (["\u0301"], ["\u0323"])
    return True
