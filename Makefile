# make run    set up if needed, start, print the address; Ctrl-C stops everything
#             (PORT=8000 HOST=127.0.0.1 TLS=no|self DEMO=yes|no SOTAY_DATA_DIR=var)
# make setup  only set up: both environments, missing system packages (when root), the search model
# make test   all tests, those in the browser too          make check     style, types, imports, documentation
# make bench  speed, full size                             make evaluate  quality of search and abstention, full size
# make neural what other embedding models need (sentence-transformers, large)
# make pins   resolve requirements/*.in anew                make clean     remove the environments, keep the data
PYTHON3 ?= python3
PYTHON := .venv/bin/python
MAKEFLAGS += --no-print-directory

.PHONY: run setup setup-tests test check bench evaluate neural pins clean

run: setup
	@exec .venv/bin/sotay up

setup:
	@$(PYTHON3) scripts/setup.py

setup-tests:
	@$(PYTHON3) scripts/setup.py --tests

test: setup-tests
	@scripts/test.sh

check: setup-tests
	@scripts/check.sh

bench: setup-tests
	@scripts/bench.sh

evaluate: setup-tests
	@scripts/evaluate.sh

neural: setup
	@"$$($(PYTHON3) scripts/setup.py --print-uv)" pip install --python $(PYTHON) --compile-bytecode -r requirements/neural.txt

pins:
	@$(PYTHON3) scripts/pins.py

clean:
	@rm -rf .venv .venv-engine build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
