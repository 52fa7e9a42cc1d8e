#!/usr/bin/env bash
# Speed at full size. Arguments: parts and options of tests.benchmarks.bench (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python -m tests.benchmarks.bench "$@"
