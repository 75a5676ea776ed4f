# Every target does its own set-up. On a fresh Debian 12 with Python 3.11: `make demo`, `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin/python
STAMPS := .venv/.stamps
PYTEST := $(RUN) -m pytest -p no:cacheprovider --durations 20 --durations-min 5
export PYTHONUNBUFFERED := 1
# compiling torch, timm and Ray anew in every process would cost each of them ten seconds
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup check fix test test-slow test-containers demo reference serve job bench rehearsal tensorboard up down

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | column -t -s $$'\t'

setup: $(STAMPS)/python $(STAMPS)/web ## everything the project needs, into .venv and node_modules

.uv/bin/uv:
	@docker/system-packages
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.5'

$(STAMPS)/python: pyproject.toml uv.lock $(if $(shell command -v uv),,.uv/bin/uv)
	docker/system-packages
	$(UV) sync --frozen --quiet
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/web: $(STAMPS)/python aplantida/export/web/package-lock.json
	$(RUN) -m aplantida.export.web_build
	touch $@

check: $(STAMPS)/python ## style, types, import rules, spelling
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/lint-imports
	.venv/bin/codespell aplantida jobs tests benchmarks configs docs docker *.md *.yaml

fix: $(STAMPS)/python ## let ruff repair what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: setup ## the tests, with mongod, Ray, Node and Chromium
	$(PYTEST) -m "not slow and not containers"

test-slow: setup ## the long ones (kill -9 in the middle of phases, driver only and everything)
	$(PYTEST) -m "slow" --timeout 5400

test-containers: setup ## images, compose and jobs on a real Docker engine
	$(PYTEST) -m "containers" --timeout 3600

demo: setup ## draw a collection, run every phase, end with a page that names photos
	$(RUN) -m aplantida.demo

reference: setup ## the same on COLLECTION=DIR (mongoimport file + photos) with WEIGHTS=DIR
	$(RUN) -m aplantida.demo.reference --collection "$(COLLECTION)" --weights "$(WEIGHTS)"

BUNDLE ?= dist/models/demo_v1.0
serve: setup ## open the page of BUNDLE=DIR (default: the demo's) on http://127.0.0.1:8000
	$(RUN) -m aplantida.serve --bundle $(BUNDLE)

job: setup ## run one phase here: make job PHASE=split_dataset ARGS="--output runs/x"
	$(RUN) -m jobs.$(PHASE) --config configs/$(PHASE).yaml $(ARGS)

bench: setup ## every benchmark, or BENCHMARKS="loader …"; puts the tables into benchmarks/RESULTS.md
	$(RUN) -m benchmarks $(BENCHMARKS)

REHEARSAL ?=
rehearsal: setup ## the plain pipeline at 9,000 species and 900,000 photos made here: hours, memory, disk (REHEARSAL="--full" …)
	$(RUN) -m benchmarks.rehearsal $(REHEARSAL)

tensorboard: setup ## training curves of all runs on http://127.0.0.1:6006
	.venv/bin/tensorboard --logdir runs --host 127.0.0.1

# without an NVIDIA driver the CPU override takes the GPU reservation back
COMPOSE := docker compose -f compose.yaml $(if $(shell command -v nvidia-smi),,-f compose.cpu.yaml)
up: ## the containers of compose.yaml
	$(COMPOSE) up --build --detach --wait

down: ## stop them
	$(COMPOSE) down
