"""What words the values of a card are made of: names of people and places, titles. The prior of the vote.

``vocabulary/words.toml`` is common knowledge, no register: what stands on no list stays possible, only less likely. A listed word
can be preferred to a doubtful one that was read; the members see what was made of their card and confirm it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from core.text import fold, nfc

UNLISTED, MISSPELT = 0.02, 0.01
"""Priors of a word on no list that could be Vietnamese, and of one that could not."""
RARE, OTHERS_LETTERS = 0.05, 0.005
"""Priors of a listed word that is many times rarer than its like, and of one on no list with the letters of a listed one."""
NO_FAMILY = 0.03
"""Prior of a first name that is no family name, of a first word of an issuer that is none."""
OTHER_ACCENTS = 0.001
"""Prior of a word that differs only by accents from a listed one where the list is as good as complete: family names, small words."""
TAIL = 2
"""Words after a region that may be noise."""
_ONSET = "ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnpqrstvx]"
# Onsets and rimes of Vietnamese writing, tones apart; tones of syllables that end in a stop: Đoàn Thiện Thuật, Ngữ âm tiếng Việt (1977).
_RIME = (
    "a[cimnoptuy]?|anh|ach|ang|ă[cmnpt]|ăng|â[cmnptuy]|âng|e[cmnopt]?|eng|ê[mnptu]?|ênh|êch|i[amnptu]?|inh|ich|iê[cmnptu]|iêng|"
    "o[aceimnpt]?|ong|oa[cimnoty]|oang|oanh|oach|oă[cmnt]|oăng|oe[nt]?|ooc|oong|ô[cimnpt]?|ông|ơ[imnpt]?|u[acimnpty]?|ung|"
    "uâ[nty]|uâng|uê|uênh|uêch|uô[cimnt]|uông|uơ|uy[atnpu]?|uyn|uynh|uych|uyê[nt]|ư[acimntu]?|ưng|ươ[cimnptu]|ương|y|yê[mntu]|yêng"
)
_SYLLABLE = re.compile(f"(?:{_ONSET})?(?:{_RIME})")
_TONES = re.compile("[\\u0300\\u0301\\u0303\\u0309\\u0323]")


_UNITS = frozenset(("huyen", "quan", "xa", "phuong", "tran", "thon", "ap"))
"""What a place below a region is called."""

_LISTS = {"full_name": ("family", "given"), "issuer": ("issuer_first", "issuer", "place", "around")}


@lru_cache(maxsize=1)
def _content() -> dict[str, str]:
    content = tomllib.loads((Path(__file__).parent / "vocabulary" / "words.toml").read_text(encoding="utf-8"))
    return {name: nfc(words) for name, words in content.items()}


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in _content().items()}


@lru_cache(maxsize=2)
def _phrases(name: str) -> list[tuple[str, ...]]:
    """The phrases of the list *name*, one a line or parted by semicolons, the longest first."""
    written = (tuple(text.split()) for line in _content()[name].splitlines() for text in line.split(";"))
    return sorted((phrase for phrase in written if phrase), key=len, reverse=True)


def usual(field: str, word: str, place: int) -> float:
    """How likely *word* is in *field* (of the texts) as its word number *place*, 1 for those on the list."""
    core = _core(word)
    if not core or not core.isalpha():
        return 1.0
    lists = _lists()
    shape = core.capitalize() if core.isupper() else core
    if field == "full_name":
        if place == 0:
            return 1.0 if shape in lists["family"] else _unusual("family", shape, NO_FAMILY)
        listed = shape in lists["given"] or shape in lists["family"]
    elif field == "issuer" and place == 0:
        return 1.0 if shape in lists["issuer_first"] else _unusual("issuer_first", shape, NO_FAMILY)
    elif field == "issuer":
        listed = core in lists["issuer"] or core in lists["around"] or shape in lists["place"]
    else:
        listed = core in lists["around"] or core in lists["place"]
    if listed:
        return RARE if shape in lists["rare_given" if field == "full_name" else "rare_place"] else 1.0
    alike = core[0].isupper() and fold(core) in _by_letters(field)
    return _unusual("around" if core.islower() else None, core, OTHERS_LETTERS if alike else UNLISTED)


def _unusual(closed: str | None, word: str, possible: float) -> float:
    """The prior of a *word* on no list; *closed*: a list of which it would be a misreading if it differed by accents only."""
    if not _possible(word):
        return MISSPELT
    if closed and any(fold(word) == fold(listed) for listed in _lists()[closed]):
        return OTHER_ACCENTS
    return possible


def expected(field: str, places: Sequence[Collection[str]]) -> dict[int, frozenset[str]]:
    """What stands in those places of a value (the words read in each) where its letters make up a fixed phrase or the name of a region.

    A region stands last, after no word for a smaller place; before it a dash where dashes part the value.
    """
    if field == "full_name":
        return {}
    letters = [{_letters(word) for word in words} for words in places]
    found: dict[int, frozenset[str]] = {}
    for start in range(len(places)):
        for phrase in _phrases("phrases"):
            if _spelt(phrase, letters[start:]):
                found |= _right(phrase, start, places)
                break
    for phrase in _phrases("regions"):
        for start in range(len(places) - len(phrase), max(-1, len(places) - len(phrase) - 1 - TAIL), -1):
            above = set().union(*letters[max(0, start - 2) : start])
            after = places[start + len(phrase) :]
            if all("" in words for words in after) and _spelt(phrase, letters[start:]) and not above & _UNITS:
                found |= _right(phrase, start, places)
                if start and "-" in places[start - 1] and any("-" in words for words in places[: start - 1]):
                    found[start - 1] = frozenset(("-",))
                return found
    return found


def _spelt(phrase: Sequence[str], letters: Sequence[Collection[str]]) -> bool:
    return len(letters) >= len(phrase) and all(fold(word) in read for word, read in zip(phrase, letters, strict=False))


def _right(phrase: Sequence[str], start: int, places: Sequence[Collection[str]]) -> dict[int, frozenset[str]]:
    """The words of *phrase* in their places, with the marks that were read beside them."""
    right = {}
    for number, word in enumerate(phrase, start):
        alike = [read for read in places[number] if _letters(read) == fold(word)]
        same = {read for read in alike if _spelling(_core(read)) == _spelling(word)}
        right[number] = frozenset(same | {_put(read, word) for read in alike})
    return right


def _put(read: str, word: str) -> str:
    """*word* with the marks and the case of what was *read*."""
    core = _core(read) or read
    return read.replace(core, word.capitalize() if core[0].isupper() else word)


def _spelling(word: str) -> tuple[str, tuple[str, ...]]:
    """A word in any case and as both schools of placing accents write it: hoà, hòa."""
    apart = unicodedata.normalize("NFD", word.lower())
    return _TONES.sub("", apart), tuple(_TONES.findall(apart))


def whole(field: str, text: str) -> bool:
    """Whether *text* begins and ends as values of *field* (of the texts) do: a family name first and one case, a region last, places of two words.

    What does not may be the half of a longer value.
    """
    words = [_core(word) for word in text.split() if _core(word)]
    if len(words) < 2:
        return False
    if field == "full_name":
        one_case = len({word.isupper() for word in words if len(word) > 1}) == 1
        voiced = all(set(fold(word)) & set("aeiouy") for word in words)
        ended = words[-1].capitalize() not in _lists()["middle"]  # else the given name is missing
        return one_case and voiced and ended and words[0][0].isupper() and words[0].capitalize() in _lists()["family"]
    small = _lists()["around"] | (_lists()["issuer"] if field == "issuer" else frozenset())
    if any(word.islower() and word.isalpha() and word not in small for word in words):
        return False  # what is left of a word
    ends = any(_end_in(phrase, words) for phrase in _phrases("regions"))
    if field == "home_town":
        # Dashes that were not read leave one or none.
        parted = (
            "," in text
            or text.count("-") > 1
            or _spelling(text) in {_spelling(" ".join(region)) for region in _regions()}
        )
        first = re.split(" - |,", text, maxsplit=1)[0].split()
        return ends and parted and len(first) > 1 and words[0][0].isupper()
    return words[0] in _lists()["issuer_first"] and (ends or not any(word.islower() for word in words[-2:]))


def _end_in(phrase: Sequence[str], words: Sequence[str]) -> bool:
    """Whether *words* end in *phrase*."""
    said = [_spelling(word) for word in phrase if word != "-"]
    return [_spelling(word) for word in words[-len(said) :]] == said


def named(word: str) -> bool:
    """Whether *word* as read may be a family name: a capital, and the letters of one, accents apart."""
    core = _core(word)
    return core.isalpha() and core[0].isupper() and fold(core) in _families()


@lru_cache(maxsize=1)
def _families() -> frozenset[str]:
    return frozenset(fold(name) for name in _lists()["family"])


def fits(field: str, text: str) -> bool:
    """Whether *text*, accents apart, is what *field* (of the texts) looks like.

    A name begins with a family name; a home town has parts, the last a region; an issuer has none and begins with what issues cards.
    """
    words = [fold(_core(word)) for word in text.split() if _core(word)]
    if len(words) < 2 or not text[0].isupper():
        return False
    if field == "full_name":
        return named(text.split(maxsplit=1)[0])
    if text.isupper():
        return False
    return _parted(text) and _in_region(words) if field == "home_town" else not _parted(text) and words[0] in _issuers()


def may_be(field: str, text: str) -> bool:
    """Whether *text* beside what looks like its label may be a value of *field* (of the texts), some of it misread or missing."""
    words = [_core(word) for word in text.split() if _core(word)]
    if len(words) < 2 or not text[0].isupper():
        return False
    if field == "full_name":
        return all(word[0].isupper() for word in words)
    return _parted(text) or _in_region([fold(word) for word in words]) if field == "home_town" else not _parted(text)


def _parted(text: str) -> bool:
    return "," in text or " - " in text


def _in_region(words: Sequence[str]) -> bool:
    """Whether *words*, without accents, end in the name of a region."""
    return any(_spelt(phrase, [{word} for word in words[-len(phrase) :]]) for phrase in _regions())


@lru_cache(maxsize=1)
def _regions() -> list[tuple[str, ...]]:
    return [tuple(word for word in phrase if word != "-") for phrase in _phrases("regions")]


@lru_cache(maxsize=1)
def _issuers() -> frozenset[str]:
    return frozenset(fold(word) for word in _lists()["issuer_first"])


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


def _letters(word: str) -> str:
    """*word* as phrases are compared: without accents, case and the marks beside it; a dash is itself."""
    return fold(_core(word) or word)


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
