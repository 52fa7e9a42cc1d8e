#!/usr/bin/env bash
# Quality at full size; SOTAY_MATERIAL names the folder of laws and questions. Arguments: parts and options of
# tests.benchmarks.evaluate (--help lists them).
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python -m tests.benchmarks.evaluate "$@"
