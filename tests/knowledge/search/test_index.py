from __future__ import annotations

import json
import shutil
import threading
import unicodedata
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from core.text import fold
from knowledge.search.embedding import E5Embeddings
from knowledge.search.index import IndexBroken, SearchIndex
from knowledge.search.manifest import versions
from knowledge.search.passages import Passage
from knowledge.search.vectors import VectorStore, VectorStoreUnavailable

from .conftest import TODAY, ChromaServer, CountingEmbedder, DictCache

BEFORE = date(2025, 6, 1)


def build(
    passages: list[Passage],
    folder: Path,
    store: VectorStore,
    model: E5Embeddings | CountingEmbedder,
    cache: DictCache,
    *,
    version: str = "1",
    built_for: date = TODAY,
    fresh: bool = False,
) -> SearchIndex:
    return SearchIndex.build(
        passages,
        folder=folder,
        version=version,
        embeddings=model,
        store=store,
        cache=cache,
        built_for=built_for,
        fresh=fresh,
    )


@pytest.fixture
def index(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> SearchIndex:
    return build(passages, tmp_path, store, e5, cache)


def best(index: SearchIndex, question: str, as_of: date = TODAY) -> int:
    return index.search(question, as_of=as_of).hits[0].passage.id


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("Mỗi tháng tôi phải nộp bao nhiêu tiền hội phí?", 300),
        ("Bao nhiêu tuổi thì được kết nạp?", 100),
        ("Cần bao nhiêu người có mặt để đại hội hợp lệ?", 121),
        ("Ai giữ tiền mặt của quỹ?", 310),
    ],
)
def test_finds_the_clause_in_every_spelling(index: SearchIndex, question: str, passage: int) -> None:
    spellings = [question, unicodedata.normalize("NFD", question), fold(question), question.upper()]
    assert [best(index, spelling) for spelling in spellings] == [passage] * 4


def test_source_text_in_nfd_is_found_and_given_back_unchanged(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    decomposed = [
        replace(p, heading=unicodedata.normalize("NFD", p.heading), text=unicodedata.normalize("NFD", p.text))
        for p in passages
    ]
    composed = build(passages, tmp_path, store, e5, cache)
    index = build(decomposed, tmp_path, store, e5, cache, version="2")
    hits = index.search("đại hội họp mấy năm một lần", as_of=TODAY).hits
    assert hits[0].passage in decomposed
    assert [hit.score for hit in hits] == [
        hit.score for hit in composed.search("đại hội họp mấy năm một lần", as_of=TODAY).hits
    ]


def test_a_replaced_rule_is_found_as_of_its_time_only(index: SearchIndex) -> None:
    question = "hội viên đóng hội phí bao nhiêu một tháng"

    def found(day: date) -> set[int]:
        return {hit.passage.document for hit in index.search(question, as_of=day, k=20).hits}

    assert found(TODAY) == {1, 3}
    assert found(BEFORE) == {1, 2}
    assert found(date(2025, 12, 31)) == {1, 2}
    assert found(date(2026, 1, 1)) == {1, 3}
    assert (best(index, question), best(index, question, BEFORE)) == (300, 200)


def test_another_day_gives_the_same_order_when_the_same_rules_are_in_force(index: SearchIndex) -> None:
    question = "kiểm kê quỹ"
    today = index.search(question, as_of=TODAY).hits
    yesterday = index.search(question, as_of=date(2026, 3, 1)).hits
    assert today[0].passage == yesterday[0].passage
    assert {hit.passage.id for hit in today} == {hit.passage.id for hit in yesterday}


@pytest.mark.parametrize("day", [TODAY, BEFORE])
def test_restricted_to_documents(index: SearchIndex, day: date) -> None:
    hits = index.search("hội phí", as_of=day, documents=[1], k=20).hits
    assert {hit.passage.document for hit in hits} == {1}
    assert index.search("hội phí", as_of=day, documents=[99]).hits == []


def test_hits_are_ordered_and_cut_and_carry_raw_scores(index: SearchIndex) -> None:
    result = index.search("hội viên được xin ra khỏi Hội", as_of=TODAY, k=3)
    assert result.hits[0].passage.id == 111
    scores = [hit.score for hit in result.hits]
    assert (len(scores), scores) == (3, sorted(scores, reverse=True))
    top = result.hits[0]
    assert top.score == 1.0
    assert top.lexical_clause > 0
    assert top.lexical_article > 0
    assert top.dense is not None
    assert 0.8 < top.dense < 1.0


def test_signals_tell_a_question_in_scope_from_one_outside(index: SearchIndex) -> None:
    inside = index.search("đại hội toàn thể họp mấy năm một lần", as_of=TODAY, k=1).signals
    outside = index.search("cách nấu phở bò ngon", as_of=TODAY, k=1).signals
    assert inside is not None
    assert outside is not None
    assert (inside.dense_available, outside.dense_available) == (True, True)
    assert inside.dense_top > outside.dense_top


def test_signals_do_not_depend_on_how_many_hits_are_asked_for(index: SearchIndex) -> None:
    question = "ai được bầu cử"
    assert index.search(question, as_of=TODAY, k=1).signals == index.search(question, as_of=TODAY, k=50).signals


@pytest.mark.parametrize("question", ["", "   ", "😀🎉", "?!…", "\u0000\u0007"])
def test_nothing_is_found_for_a_question_without_words(index: SearchIndex, question: str) -> None:
    result = index.search(question, as_of=TODAY)
    assert (result.hits, result.signals) == ([], None)


def test_no_passages(tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache) -> None:
    index = build([], tmp_path, store, e5, cache)
    assert index.search("hội phí", as_of=TODAY).hits == []
    assert len(SearchIndex.load(tmp_path, "1", embeddings=e5, store=store)) == 0


def test_loaded_is_as_built(index: SearchIndex, tmp_path: Path, store: VectorStore, e5: E5Embeddings) -> None:
    loaded = SearchIndex.load(tmp_path, "1", embeddings=e5, store=store)
    question = "dieu kien vao hoi"
    assert loaded.search(question, as_of=TODAY) == index.search(question, as_of=TODAY)
    assert loaded.search(question, as_of=BEFORE) == index.search(question, as_of=BEFORE)
    assert loaded.restore("dieu kien vao hoi") == "điều kiện vào hội"


def test_concurrent_readers_get_the_same(index: SearchIndex) -> None:
    expected = index.search("quyền của hội viên", as_of=TODAY)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(index.search("quyền của hội viên", as_of=TODAY))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_nothing_is_encoded_twice_and_the_store_gets_the_difference(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    model = CountingEmbedder(e5)
    first = build(passages, tmp_path, store, model, cache)
    assert len(model.encoded) == len(passages)
    assert (store.count(first.manifest.current), store.count(first.manifest.all)) == (10, 11)

    added = Passage(400, 40, 4, "Quy định về thẻ hội viên. Điều 1. Thẻ", "Thẻ hội viên có màu xanh lá cây.")
    changed = replace(passages[0], text="1. Người từ đủ 16 tuổi trở lên thì được xét kết nạp.")
    second = build([changed, *passages[2:], added], tmp_path, store, model, cache, version="2")
    assert len(model.encoded) == len(passages) + 2
    assert second.manifest.current == first.manifest.current
    assert store.count(second.manifest.all) == 11
    assert passages[1].id not in store.stored(second.manifest.all)
    assert best(second, "thẻ hội viên màu gì") == 400
    assert best(second, "từ đủ 16 tuổi") == changed.id
    # The version before goes on working; what it does not know is left out.
    assert 400 not in {hit.passage.id for hit in first.search("thẻ hội viên màu gì", as_of=TODAY, k=50).hits}


def test_the_day_moves_what_is_current(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    earlier = build(passages, tmp_path, store, e5, cache, built_for=BEFORE)
    assert set(store.stored(earlier.manifest.current)) == {p.id for p in passages if p.document in (1, 2)}
    later = build(passages, tmp_path, store, e5, cache, version="2")
    assert set(store.stored(later.manifest.current)) == {p.id for p in passages if p.document in (1, 3)}


def test_fresh_makes_new_collections_and_others_are_removed(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    store.create("not-ours")
    first = build(passages, tmp_path, store, e5, cache)
    second = build(passages, tmp_path, store, e5, cache, version="2", fresh=True)
    assert first.manifest.current != second.manifest.current
    assert versions(tmp_path) == ["1", "2"]
    SearchIndex.remove_others(tmp_path, ["2"], store)
    assert versions(tmp_path) == ["2"]
    assert store.collections() == sorted(["not-ours", second.manifest.current, second.manifest.all])
    assert best(second, "hội phí") == 300


def test_without_the_store_words_alone_decide(
    passages: list[Passage],
    tmp_path: Path,
    e5: E5Embeddings,
    cache: DictCache,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = ChromaServer(tmp_path_factory.mktemp("mortal"))
    server.start()
    try:
        store = VectorStore(server.url, e5)
        index = build(passages, tmp_path, store, e5, cache)
        whole = index.search("muc hoi phi", as_of=TODAY)
        server.stop()
        alone = index.search("muc hoi phi", as_of=TODAY)
        assert (whole.degraded, whole.hits[0].passage.id) == (None, 300)
        assert alone.degraded is not None
        assert (alone.hits[0].passage.id, alone.hits[0].dense) == (300, None)
        assert alone.signals is not None
        assert alone.signals.dense_available is False
        with pytest.raises(VectorStoreUnavailable, match="does not answer"):
            build(passages, tmp_path, store, e5, cache, version="2")
        assert versions(tmp_path) == ["1"]
        server.start()
        assert index.search("muc hoi phi", as_of=TODAY) == whole
    finally:
        server.stop()


def test_a_lost_collection_degrades_and_a_build_brings_it_back(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    index = build(passages, tmp_path, store, e5, cache)
    store.drop(index.manifest.current)
    assert "rebuild the index" in (index.search("hội phí", as_of=TODAY).degraded or "")
    build(passages, tmp_path, store, e5, cache, version="2")
    assert index.search("hội phí", as_of=TODAY).degraded is None


def test_a_version_that_is_there_is_not_written_over(
    index: SearchIndex, passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    with pytest.raises(FileExistsError):
        build(passages[:2], tmp_path, store, e5, cache)
    assert len(SearchIndex.load(tmp_path, "1", embeddings=e5, store=store)) == len(passages)


def test_a_failed_build_leaves_nothing(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    with pytest.raises(ValueError, match="same id"):
        build([passages[0], passages[0]], tmp_path, store, e5, cache)
    assert list(tmp_path.iterdir()) == []


def test_broken_versions_are_recognised(
    index: SearchIndex, tmp_path: Path, store: VectorStore, e5: E5Embeddings
) -> None:
    def load(version: str) -> None:
        SearchIndex.load(tmp_path, version, embeddings=e5, store=store)

    with pytest.raises(IndexBroken, match="there is no complete index"):
        load("7")
    for name, damage in {
        "cut": lambda folder: (folder / "strings.bin").write_bytes(b"x"),
        "missing": lambda folder: (folder / "all" / "clause" / "data.csc.index.npy").unlink(),
        "manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
        "half": lambda folder: (folder / "manifest.json").write_text('{"format": 1'),
    }.items():
        shutil.copytree(tmp_path / "1", tmp_path / name)
        damage(tmp_path / name)
        with pytest.raises(IndexBroken):
            load(name)
    SearchIndex.remove_others(tmp_path, ["1", "cut"], store)
    assert versions(tmp_path) == ["1"]


def test_content_that_is_no_array_is_recognised(
    index: SearchIndex, tmp_path: Path, store: VectorStore, e5: E5Embeddings
) -> None:
    path = tmp_path / "1" / "passages.npy"
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(IndexBroken, match="cannot be read"):
        SearchIndex.load(tmp_path, "1", embeddings=e5, store=store)


def test_another_model_needs_a_rebuild(
    index: SearchIndex, tmp_path: Path, store: VectorStore, e5: E5Embeddings
) -> None:
    other = CountingEmbedder(e5)
    other.model_id = "another"
    with pytest.raises(IndexBroken, match="the settings name another"):
        SearchIndex.load(tmp_path, "1", embeddings=other, store=store)


def test_the_manifest_tells_what_the_index_was_built_with(index: SearchIndex, tmp_path: Path, e5: E5Embeddings) -> None:
    content = json.loads((tmp_path / "1" / "manifest.json").read_text())
    assert (content["model_id"], content["dimension"], content["passages"]) == (e5.model_id, 384, 11)
    assert content["built_for"] == "2026-03-02"


def test_progress_is_told(
    passages: list[Passage], tmp_path: Path, store: VectorStore, e5: E5Embeddings, cache: DictCache
) -> None:
    told: list[tuple[int, int]] = []
    SearchIndex.build(
        passages,
        folder=tmp_path,
        version="1",
        embeddings=e5,
        store=store,
        cache=cache,
        built_for=TODAY,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(0, 11), (11, 11)]
