#!/usr/bin/env bash
# Style, types (each environment checks its own code), the order of imports, the documentation.
set -uo pipefail
cd "$(dirname "$0")/.."

status=0
step() {
    echo "== $1"
    shift
    "$@" || status=1
}

step "ruff check" .venv/bin/ruff check .
step "ruff format" .venv/bin/ruff format --check .
step "mypy, application" .venv/bin/mypy
step "mypy, engine" .venv-engine/bin/mypy --config-file bot/mypy.ini \
    bot/nlu bot/*.py core/text/__init__.py core/lifeline.py
step "import-linter" .venv/bin/lint-imports
step "documentation" .venv/bin/python -m pytest tests/test_documentation.py
exit "$status"
