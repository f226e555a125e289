# On a fresh machine `make demo` or `make test` alone sets up everything in .venv; a second call re-uses it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_INDEX ?=
ENGINE ?= fast
INPUTS ?= 100000
FUZZ_LOG ?= runs/fuzz.md
VENV := .venv
READY := $(VENV)/.ready

.PHONY: setup demo test lint bench bench-transport exports fuzz kills kills-client examples proto constraints clean

setup: $(READY)

# torch first and from its pin: a bare `torch` would bring gigabytes of GPU libraries.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

demo: setup
	$(VENV)/bin/python -m simulations.demo --engine $(ENGINE)

test: setup
	$(VENV)/bin/pytest -q -n 2 --dist loadfile

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: setup
	$(VENV)/bin/fl-sim bench dp

# A thousand devices on one server, all on this machine: about six minutes.
bench-transport: setup
	$(VENV)/bin/fl-sim bench transport --json

# Every listed model as ONNX, beside the model: about two minutes. The suite has one of each kind.
exports: setup
	$(VENV)/bin/pytest -q -s -m slow --timeout=0 tests/shared_models/networks/test_onnx_family.py

# The full count of malformed inputs. Failures name the seed and the input; FUZZ_LOG says what came of all of them.
fuzz: setup
	mkdir -p $(dir $(FUZZ_LOG))
	ATTUNE_FUZZ_INPUTS=$(INPUTS) ATTUNE_FUZZ_LOG=$(FUZZ_LOG) $(VENV)/bin/pytest -q -p no:logging --timeout=0 tests/fuzz

# Half an hour on two idle cores; the suite has a short form of it.
kills: setup
	$(VENV)/bin/python -m tests.kills --kills 500 --out docs/evidence/kills.md
	$(VENV)/bin/python -m tests.kills --devices --kills 50

# The same for whole laptops, which film, store, train and delete: half an hour.
kills-client: setup
	$(VENV)/bin/python -m tests.kills --cameras --kills 150 --out docs/evidence/kills-client.md

# The reports in docs/examples: of the demo, and of a simulated study.
examples: demo
	$(VENV)/bin/fl-sim attack audit --out runs/audit
	cp runs/audit/report-audit.json runs/demo/server/audit.json
	$(VENV)/bin/python -m simulations.study --out runs/study
	for format in html pdf json; do \
		$(VENV)/bin/fl-server report runs/demo/server --format $$format --out docs/examples/demo.$$format && \
		$(VENV)/bin/fl-server report runs/study --format $$format --out docs/examples/study.$$format || exit 1; \
	done

# The generated files are committed; run this after a change to the .proto file.
proto: setup
	$(VENV)/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. \
		shared_models/enrolment/enrolment.proto

# Exact pins of everything that a fresh install brings.
constraints: setup
	$(VENV)/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf $(VENV) runs
