# Every target does its own set-up: a fresh clone needs Python 3.11, make and a package registry.
# Another interpreter: make demo PYTHON=python3.12
PYTHON ?= python3
export PYTHON

.PHONY: demo test test-browser check docs install

demo: install  ## the main job on a real photo
	.venv/bin/python examples/demo.py

test: install  ## the test suite
	scripts/test

test-browser: install  ## the app in Debian's Chromium; needs root where that is missing
	scripts/test-browser

check: install  ## lint and types
	scripts/check

docs: install  ## run what README.md and docs/ show
	scripts/docs

install:
	scripts/install
