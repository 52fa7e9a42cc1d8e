"""The last step of the set-up, inside the application's environment: build what the first start would have to build."""

from __future__ import annotations

import sys

from core.settings import settings
from knowledge import indexing
from knowledge.search.e5 import ModelBuildError
from knowledge.search.embedding import EmbeddingModelError


def main() -> int:
    """Build the search model of this installation; the exit code."""
    print(f"Mô hình tìm kiếm (search model): {settings().embedding_model}", file=sys.stderr, flush=True)
    try:
        indexing.embedder()
    except (EmbeddingModelError, ModelBuildError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
