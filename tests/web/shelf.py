"""The demo documents as the reader gets them, without a database: a library in memory and a small application."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

import ingest
from core.settings import ROOT
from core.text import fold
from ingest.model import Provision
from knowledge.anchors import anchors
from knowledge.documents import DocumentSummary, DocumentView, Node
from web import pages
from web.security import SecurityHeaders

DEMO = ROOT / "sotay" / "demo"
CHARTER = DEMO / "dieu-le-hoi-ban-doc-song-xanh.txt"
OLD_FEES = DEMO / "quy-dinh-hoi-phi-tai-chinh-2021.txt"
NEW_FEES = DEMO / "quy-dinh-hoi-phi-tai-chinh-2025.md"
BRANCHES = DEMO / "quy-che-lam-viec-chi-hoi-2024.txt"
FILES = (NEW_FEES, BRANCHES, CHARTER, OLD_FEES)


def tree(root: Provision) -> Node:
    """A parsed tree with the fragments that the store gives it."""
    names = anchors(root)

    def node(provision: Provision) -> Node:
        made = Node(
            kind=provision.kind,
            number=provision.number,
            heading=provision.heading,
            start=provision.start,
            end=provision.end,
            heading_start=provision.heading_start,
            heading_end=provision.heading_end,
            anchor=next(names),
        )
        made.children = [node(child) for child in provision.children]
        return made

    return node(root)


def view(path: Path) -> DocumentView:
    """The document in a file as if it were published and in force."""
    source = ingest.read(path)
    parsed = ingest.parse(source.text)
    metadata = parsed.metadata
    summary = DocumentSummary(
        id=0,
        slug=path.stem,
        type=metadata.type,
        number=metadata.number,
        issued_on=metadata.issued_on,
        issuer=metadata.issuer,
        title=metadata.title,
        signer=metadata.signer,
        effective_on=metadata.effective_on,
        ended_on=None,
        status="in_force",
    )
    return DocumentView(summary=summary, text=source.text, root=tree(parsed.root), sha256=source.sha256)


class Shelf(pages.Library):
    """The four demo documents, the fees of 2021 replaced by those of 2025."""

    def __init__(self) -> None:
        views = [view(path) for path in FILES]
        new = views[0].summary
        old = replace(views[3].summary, status="replaced", ended_on=new.effective_on, replaced_by=new)
        views[3] = replace(views[3], summary=old)
        self.views = {shown.summary.slug: shown for shown in views}

    def summaries(self) -> list[DocumentSummary]:
        return [shown.summary for shown in self.views.values()]

    def view(self, slug: str) -> DocumentView | None:
        return self.views.get(slug)


def application(shelf: pages.Library) -> FastAPI:
    """An application with the members' pages and nothing else."""
    app = FastAPI(docs_url=None, redoc_url=None)
    pages.install(app, suggestions=["Mỗi tháng đóng hội phí bao nhiêu?"])
    app.dependency_overrides[pages.library] = lambda: shelf

    @app.get("/api/broken")
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken on purpose")

    app.add_middleware(SecurityHeaders)
    return app


def without_space(text: str) -> str:
    """*text* without white space."""
    return "".join(text.split())


def words(text: str) -> str:
    """*text* folded, white space as single spaces."""
    return " ".join(fold(text).split())
