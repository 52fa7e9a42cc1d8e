#!/usr/bin/env bash
# All tests, two runs side by side: the engine's (in its own environment) followed by those of whole installations and the
# browser; and all the others. Each has its own data folder, database and ports. Arguments replace both by one run of
# the application's tests. Nothing of the installation's own data folder is touched. The last line shows the counts.
set -uo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "${TMPDIR:-/tmp}/sotay-tests.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export SOTAY_DATA_DIR="$scratch/data"
unset DATABASE_URL CHROMA_URL HOST PORT TLS DEMO SOTAY_EMBEDDING_MODEL SOTAY_ADDRESS SOTAY_ORGANISATION SOTAY_LOG_LEVEL

if [ $# -gt 0 ]; then
    .venv/bin/python -m pytest "$@"
    exit $?
fi

whole_installations() {
    local failed=0
    .venv-engine/bin/python -m pytest tests/engine >"$scratch/engine.txt" 2>&1 || failed=$?
    SOTAY_DATA_DIR="$scratch/data-e2e" .venv/bin/python -m pytest tests/e2e >"$scratch/e2e.txt" 2>&1 || failed=$?
    return "$failed"
}

status=0
whole_installations &
beside=$!
trap 'kill "$beside" 2>/dev/null; wait "$beside" 2>/dev/null; rm -rf "$scratch"' EXIT
.venv/bin/python -m pytest --ignore=tests/e2e 2>&1 | tee "$scratch/application.txt" || status=$?
wait "$beside" || status=$?
for run in engine e2e; do
    echo
    echo "== $run"
    cat "$scratch/$run.txt"
done

last() { tail -n 1 "$scratch/$1.txt"; }
echo
echo "engine: $(last engine) | installations and browser: $(last e2e) | application: $(last application)"
exit "$status"
