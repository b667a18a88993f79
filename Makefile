# Two commands do everything on a fresh machine: make demo, make test. Before a commit: make check.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
WEB_PAGE := q2d2_stream/web/page/call.html

.PHONY: demo demo-room check test lint docs web soak arm64 systemd wheel clean

# The runtime alone, and what draws the demo's picture: under a minute.
$(VENV)/.runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[plot]'
	touch $@

# torch first and by exact version: a range would bring the newest build with CUDA.
$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev,docs,train,export,call,aec,tflite,relay,socks]'
	touch $@

demo: $(VENV)/.runtime
	$(BIN)/python -m apps.demo

# Four people in a room, through a relay.
demo-room: $(VENV)/.runtime
	$(BIN)/python -m apps.demo_room

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The tests of no mark: no torch, no sound card, no sockets, nothing slow. With lint under a minute
# on two idle cores.
check: lint
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n auto -m "not (slow or sound or net or train)"

# Where npm cannot build the pages, the tests of them say so.
test: lint
	-if command -v npm >/dev/null; then $(MAKE) --silent $(WEB_PAGE); fi
	$(BIN)/python -m pytest

# The documentation site, in build/site. Any warning is an error.
$(VENV)/.docs: $(VENV)/.runtime
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What builds the browser client: node 18 or later, and npm.
web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci
	touch $@

# The browser client's pages.
$(WEB_PAGE): web/node_modules/.package-lock.json web/build.mjs $(shell find web/src web/static -type f 2>/dev/null)
	cd web && npm run build

# The same, checked.
web: $(WEB_PAGE)
	cd web && npm run check

soak: $(VENV)/.dev
	$(BIN)/python tools/soak.py

# Needs root and Debian's qemu-user-static, debootstrap and unzip; downloads a userland.
arm64: $(VENV)/.dev
	tools/arm64/prove.sh $(BIN)/python

# Needs root and debootstrap; boots a Debian container and lets systemd run the service in it.
systemd: $(VENV)/.dev
	$(BIN)/python tools/systemd/prove.py build/systemd

# Built, installed in a fresh environment, used. It holds the browser client where npm is there.
wheel: $(VENV)/.dev
	rm -rf dist
	if command -v npm >/dev/null; then $(MAKE) web; else echo "no npm: a wheel without web pages"; fi
	$(BIN)/python -m build --wheel
	$(BIN)/python tools/smoke_wheel.py dist/*.whl

clean:
	rm -rf $(VENV) build dist demo_out demo_room_out *.egg-info web/node_modules q2d2_stream/web/page
