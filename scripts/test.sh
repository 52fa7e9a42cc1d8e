#!/usr/bin/env bash
# All tests: the engine's in its own environment, the others (with the browser's) in the application's.
# Arguments go to the second run. Nothing of the installation's own data folder is touched. The last line shows the counts.
set -uo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "${TMPDIR:-/tmp}/sotay-tests.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export SOTAY_DATA_DIR="$scratch/data"
unset DATABASE_URL CHROMA_URL HOST PORT TLS DEMO SOTAY_EMBEDDING_MODEL SOTAY_ADDRESS SOTAY_ORGANISATION SOTAY_LOG_LEVEL

status=0
engine="none"
if [ -d tests/engine ]; then
    .venv-engine/bin/python -m pytest tests/engine 2>&1 | tee "$scratch/engine.txt" || status=$?
    engine=$(tail -n 1 "$scratch/engine.txt")
fi
.venv/bin/python -m pytest "$@" 2>&1 | tee "$scratch/application.txt" || status=$?

echo
echo "engine: $engine | application: $(tail -n 1 "$scratch/application.txt")"
exit "$status"
