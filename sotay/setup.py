"""The last step of the set-up, inside the application's environment: build what the first start would have to build."""

from __future__ import annotations

import sys

from core.settings import settings
from ekyc import faces
from knowledge import indexing
from knowledge.search.e5 import ModelBuildError
from knowledge.search.embedding import EmbeddingModelError


def main() -> int:
    """Build the search model and the face models of this installation; the exit code."""
    print(f"Mô hình tìm kiếm (search model): {settings().embedding_model}", file=sys.stderr, flush=True)
    try:
        indexing.embedder()
        print(
            f"Mô hình khuôn mặt (face models): {settings().ekyc_model_dir or 'YuNet, SFace'}",
            file=sys.stderr,
            flush=True,
        )
        faces.prepare()
    except (EmbeddingModelError, ModelBuildError, faces.FaceModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
