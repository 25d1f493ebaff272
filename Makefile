# People and CI run the same targets. `make` alone lists them.
SHELL := /bin/bash -eu -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The newest supported Python on the PATH, unless PYTHON names one.
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3 python,\
	$(shell $(name) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) and print("$(name)")' 2>/dev/null)))
# Two environments: what serves must not hold TensorFlow, and MLflow excludes the gunicorn that serves.
SERVE := .venv/bin
TRAIN := .venv-train/bin
# A third for clients of the inference protocols: kserve's excludes the protobuf that LiteRT needs.
CLIENTS := .venv-clients/bin
ARGS ?=
CHAMPION ?= deploy/model
IMAGE ?= mnist-api
TRAIN_IMAGE ?= mnist-api-training
SEEDS ?= 10
PARALLEL ?= 2
CONTEXT ?=
LOAD_IMAGE ?= mnist-api-load
SHAPE ?= steady
HOST ?=
SLO ?= loadtests/slo.toml
DURATION ?= 0
PROCESSES ?= 1
WORKERS ?= 3
NAMESPACE ?= mnist
RELEASE ?= mnist
BUILD_ARGS ?=
# An image that was built elsewhere: its file, and the digest that it must have. Then no target builds it anew.
ARCHIVE ?=
DIGEST ?=
HELM ?= helm
NODE_IMAGE ?=
RATE ?=
NODES ?= 3
CPU ?=
PRICE ?=
CHROMIUM ?= chromium
PEERS ?=
BENCH_HOME ?= .bench

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

.PHONY: run
run: .venv/serve ## serve the champion at http://127.0.0.1:5000 (Ctrl-C stops it)
	@echo 'Serving at http://127.0.0.1:5000. Try, from another terminal:'
	@echo
	@echo '  curl -s http://127.0.0.1:5000/example | curl -s http://127.0.0.1:5000/predict -H "Content-Type: application/json" -d @-'
	@echo
	@exec $(SERVE)/gunicorn -c app/gunicorn.conf.py

.PHONY: test
test: .venv/dev .venv-train/train ## run every test, of service and training side by side (four to five minutes on two cores)
	@echo 'Tests of service and training, side by side. Each prints when it has ended, after four to five minutes.'
	@$(MAKE) --no-print-directory --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=line) test-serve test-train

.PHONY: test-serve
test-serve: .venv/dev ## run the tests of service and repository, where there is no TensorFlow
	$(SERVE)/python -m pytest tests/app tests/contract $(ARGS)

.PHONY: test-train
test-train: .venv-train/train ## run the tests of training
	$(TRAIN)/python -m pytest tests/training $(ARGS)

.PHONY: test-page
test-page: .venv/dev ## test the page in Chromium, with mouse, finger and keyboard; screenshots in runs/page (CHROMIUM=google-chrome)
	$(call need,$(CHROMIUM),https://www.chromium.org/getting-involved/download-chromium)
	CHROMIUM='$(CHROMIUM)' $(SERVE)/python -m pytest tests/ui $(ARGS)

.PHONY: page-picture
page-picture: .venv/dev ## draw on the page in Chromium, and take the README's picture of it
	$(call need,$(CHROMIUM),https://www.chromium.org/getting-involved/download-chromium)
	CHROMIUM='$(CHROMIUM)' $(SERVE)/python -m tests.ui.picture

.PHONY: test-mnist
test-mnist: .venv-train/train ## train the mlp on MNIST and check what it and the champion reach (a minute; TRAIN_SEEDS="0 1 2")
	$(TRAIN)/python -m pytest tests/mnist $(ARGS)

.PHONY: test-tracking
test-tracking: .venv-train/train ## train on a real MLflow server; kill retrain, promote and rollback at each step (minutes)
	$(TRAIN)/python -m pytest tests/tracking $(ARGS)

.PHONY: test-clients
test-clients: .venv-clients/clients ## let the well-known clients of the inference protocols ask the service (half a minute)
	$(CLIENTS)/python -m pytest tests/clients $(ARGS)

.PHONY: lint
lint: .venv/dev ## check style, types and scripts
	$(SERVE)/ruff check .
	$(SERVE)/ruff format --check .
	$(SERVE)/mypy
	$(SERVE)/shellcheck .ci/run
	$(SERVE)/zizmor --quiet --offline --persona pedantic .github

.PHONY: lint-workflows
lint-workflows: export PATH := $(CURDIR)/.venv/bin:$(PATH)
lint-workflows: ## check the workflows' syntax, expressions and types
	$(call need,actionlint,https://github.com/rhysd/actionlint/blob/main/docs/install.md)
	actionlint

.PHONY: train
train: .venv-train/train ## train, track in MLflow, write a Bundle (ARGS="--arch cnn"; ARGS=--help lists all)
	$(TRAIN)/python -m training $(ARGS)

.PHONY: retrain
retrain: .venv-train/train ## train, ask the Gate, register what passes and put it in deploy/model (ARGS as for train)
	$(TRAIN)/python -m training.retrain $(ARGS)

.PHONY: gate
gate: .venv-train/train ## ask the Gate: CANDIDATE=runs/x/bundle (CHAMPION=deploy/model)
	@test -n '$(CANDIDATE)' || { echo 'Name the candidate: make gate CANDIDATE=runs/x/bundle'; exit 2; }
	$(TRAIN)/python -m training.judge '$(CANDIDATE)' '$(CHAMPION)'

.PHONY: challenger
challenger: .venv-train/train ## train as the champion was: ARCH, SEEDS=1, EXTRA_DATA from the environment; the best meets the Gate
	@CHAMPION='$(CHAMPION)' $(TRAIN)/python -m deploy.github.challenger

.PHONY: promote
promote: .venv-train/train ## after the merge: make the committed champion the registry's (ARGS=--adopt for the first)
	$(TRAIN)/python -m training.promotion promote $(ARGS)

.PHONY: rollback
rollback: .venv-train/train ## put the champion before this one, or version TO, back in deploy/model and the registry
	$(TRAIN)/python -m training.promotion rollback $(if $(TO),--to '$(TO)')

.PHONY: evidence
evidence: .venv-train/train ## measure finished runs that differ in their seed, for the model card: NAME=cnn6 RUNS="runs/a runs/b"
	@test -n '$(NAME)' -a -n '$(RUNS)' || { echo 'Name the recipe and its runs: make evidence NAME=cnn6 RUNS="runs/cnn6-0 runs/cnn6-1"'; exit 2; }
	$(TRAIN)/python -m training.seeds 'docs/evidence/$(NAME).json' $(RUNS)
	$(TRAIN)/python -m training.card

.PHONY: bundle
bundle: .venv-train/train ## turn a Keras model into a Bundle: KERAS=path/to/mnist_model.h5
	@test -n '$(KERAS)' || { echo 'Name the model: make bundle KERAS=path/to/mnist_model.h5'; exit 2; }
	$(TRAIN)/python -m training --from-keras '$(KERAS)' $(ARGS)

.PHONY: gate-simulation
gate-simulation: .venv-train/train ## show how often the Gate passes worse candidates and fails equal ones (minutes)
	OPENBLAS_NUM_THREADS=1 $(TRAIN)/python -m training.gate_simulation

.PHONY: mlflow
mlflow: .venv-train/train ## open MLflow's pages on the local runs at http://127.0.0.1:5001
	$(TRAIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --port 5001

.PHONY: image
image: ## build the serving image (IMAGE=name:tag), or load it: ARCHIVE=dist/image-amd64.tar DIGEST=sha256:…
	$(call need,docker,https://docs.docker.com/get-docker)
	$(if $(ARCHIVE),$(load-image),$(build-image))
define build-image
DOCKER_BUILDKIT=1 docker build --quiet --tag '$(IMAGE)' $(BUILD_ARGS) \
		--build-arg REVISION="$$(git describe --always --abbrev=40 --dirty --exclude '*')" \
		--build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
		--build-arg MODEL_SHA256="$$(sed -n '/"model": {/,/}/s/.*"sha256": "\(.*\)".*/\1/p' deploy/model/manifest.json)" .
endef
define load-image
$(call need,skopeo,$(SKOPEO))
	DIGEST='$(DIGEST)' $(PYTHON) -m deploy.github.image load '$(ARCHIVE)' '$(IMAGE)'
endef
SKOPEO := https://github.com/containers/skopeo/blob/main/install.md

.PHONY: image-archive
image-archive: image ## write the image to dist/ as a file, and say its digest
	$(call need,skopeo,$(SKOPEO))
	$(PYTHON) -m deploy.github.image save '$(IMAGE)'

.PHONY: sbom
sbom: image ## list what is in the image, for its SBOM: dist/sbom.cdx.json
	$(call need,trivy,https://trivy.dev/docs/latest/getting-started/installation)
	mkdir -p dist
	trivy image --quiet --format cyclonedx --output dist/sbom.cdx.json '$(IMAGE)'

.PHONY: scan
scan: sbom ## fail on known, mended vulnerabilities of what is in the image, high or critical
	trivy sbom --quiet --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 dist/sbom.cdx.json

.PHONY: train-image
train-image: ## build the training image (TRAIN_IMAGE=name:tag)
	$(call need,docker,https://docs.docker.com/get-docker)
	DOCKER_BUILDKIT=1 docker build --quiet --target training --tag '$(TRAIN_IMAGE)' $(BUILD_ARGS) \
		--build-arg REVISION="$$(git describe --always --abbrev=40 --dirty --exclude '*')" .

.PHONY: load-image
load-image: ## build the image of the load generator (LOAD_IMAGE=name:tag)
	$(call need,docker,https://docs.docker.com/get-docker)
	DOCKER_BUILDKIT=1 docker build --quiet --target load --tag '$(LOAD_IMAGE)' $(BUILD_ARGS) \
		--build-arg REVISION="$$(git describe --always --abbrev=40 --dirty --exclude '*')" .

.PHONY: train-cluster
train-cluster: ## train SEEDS=10 in a cluster, PARALLEL=2 at once (ARGS as for train, TRAIN_IMAGE, kubectl's CONTEXT)
	$(call need,kubectl,https://kubernetes.io/docs/tasks/tools)
	@$(PYTHON) -m deploy.training.cluster --image '$(TRAIN_IMAGE)' --seeds '$(SEEDS)' --parallel '$(PARALLEL)' \
		--context '$(CONTEXT)' -- $(ARGS)

.PHONY: test-image
test-image: image .venv/dev ## build the image and test it: contents, size, read-only run, drain, reproducibility
	IMAGE='$(IMAGE)' $(SERVE)/python -m pytest tests/image $(ARGS)

.PHONY: test-chart
test-chart: .venv/dev ## test the chart's rendering (HELM=helm3 for Helm 3)
	$(call need,$(HELM),https://helm.sh/docs/intro/install)
	HELM='$(HELM)' $(SERVE)/python -m pytest tests/chart $(ARGS)

.PHONY: kind
kind: cluster-tools image ## run the service in a cluster of three nodes on this machine
	kind get clusters 2>/dev/null | grep -x mnist >/dev/null || kind create cluster --name mnist --config deploy/kind.yaml $(if $(NODE_IMAGE),--image $(NODE_IMAGE))
	docker tag '$(IMAGE)' mnist-api:kind
	kind load docker-image --name mnist mnist-api:kind
	$(HELM) upgrade --install mnist helm/mnist-api --kube-context kind-mnist --namespace mnist --create-namespace \
		--values deploy/values/kind.yaml --wait --timeout 120s

.PHONY: kind-down
kind-down: ## delete what `make kind` and an interrupted `make e2e` or `make e2e-training` made
	$(call need,kind,https://kind.sigs.k8s.io/docs/user/quick-start)
	kind delete cluster --name mnist
	kind delete cluster --name mnist-e2e
	kind delete cluster --name mnist-training

.PHONY: e2e
e2e: cluster-tools image ## prove the chart's promises on a real cluster of its own (six minutes; KEEP=1 keeps it)
	IMAGE='$(IMAGE)' HELM='$(HELM)' NODE_IMAGE='$(NODE_IMAGE)' $(PYTHON) deploy/e2e/run.py

.PHONY: e2e-training
e2e-training: cluster-tools image train-image ## train and retrain on a cluster of its own (six minutes; KEEP=1 keeps it)
	IMAGE='$(IMAGE)' TRAIN_IMAGE='$(TRAIN_IMAGE)' HELM='$(HELM)' NODE_IMAGE='$(NODE_IMAGE)' \
		$(PYTHON) deploy/e2e/training.py

.PHONY: cluster-tools
cluster-tools:
	$(call need,docker,https://docs.docker.com/get-docker)
	$(call need,kind,https://kind.sigs.k8s.io/docs/user/quick-start)
	$(call need,kubectl,https://kubernetes.io/docs/tasks/tools)
	$(call need,$(HELM),https://helm.sh/docs/intro/install)

.PHONY: observe
observe: compose-tools image ## run the service, Prometheus and Grafana in containers, at http://127.0.0.1:3000 (Ctrl-C stops them)
	@printf '  %-12s http://127.0.0.1:%s\n' Grafana 3000 Prometheus 9090 'the service' 5000 'its metrics' 9464/metrics
	@export IMAGE='$(IMAGE)'; trap 'docker compose --file deploy/compose.yaml down' EXIT; \
		docker compose --file deploy/compose.yaml up || test $$? -eq 130  # Ctrl-C

.PHONY: observe-local
observe-local: .venv/serve ## the same without containers and Grafana: the service and Prometheus (Ctrl-C stops them)
	$(call need,prometheus,https://prometheus.io/download)
	@exec $(SERVE)/python -m deploy.observe $(ARGS)

.PHONY: compose-tools
compose-tools:
	$(call need,docker,https://docs.docker.com/get-docker)
	@docker compose version >/dev/null 2>&1 || { echo 'docker compose is missing. Get it: https://docs.docker.com/compose/install'; exit 1; }

.PHONY: dashboards
dashboards: .venv/dev ## write the dashboards into the chart anew, after a change in deploy/grafana or of the alerts
	$(SERVE)/python -m deploy.grafana

.PHONY: test-alerts
test-alerts: .venv/dev ## test rules and alerts with promtool
	$(call need,promtool,https://prometheus.io/download)
	$(call need,$(HELM),https://helm.sh/docs/intro/install)
	HELM='$(HELM)' $(SERVE)/python -m pytest tests/alerts $(ARGS)

.PHONY: test-observe
test-observe: .venv/dev ## run every query of dashboards and alerts on a real Prometheus that watched the service
	$(call need,prometheus,https://prometheus.io/download)
	$(SERVE)/python -m pytest tests/observe $(ARGS)

.PHONY: drift-demo
drift-demo: .venv/dev ## see the drift alerts fire and clear, an hour in a minute (eight minutes)
	$(call need,prometheus,https://prometheus.io/download)
	$(SERVE)/python -m deploy.drift.demo

.PHONY: drift-simulation
drift-simulation: .venv-train/train ## choose the drift alerts' thresholds for this champion, from simulated months (minutes; needs MNIST)
	OPENBLAS_NUM_THREADS=1 $(TRAIN)/python -m deploy.drift.simulate

.PHONY: drift-fixture
drift-fixture: .venv-train/train ## choose the images that `make drift-demo` sends (needs MNIST)
	$(TRAIN)/python -m deploy.drift.fixture

.PHONY: footprint
footprint: .venv/dev ## measure the service's size, memory, start and stop
	$(SERVE)/python -m loadtests.footprint

.PHONY: overhead
overhead: .venv/dev ## measure what metrics and log lines cost a request, and a scrape (a minute)
	$(SERVE)/python -m loadtests.observability

.PHONY: profile
profile: .venv/dev ## measure what a prediction costs, part by part, beside bare gunicorn, and write docs/HOT_PATH.md (two minutes)
	$(SERVE)/python -m loadtests.hot_path

.PHONY: load
load: .venv/dev ## load the service and judge it: SHAPE=smoke, steady, spike, step (HOST=http://x, SLO=slo.toml, DURATION=seconds, PROCESSES=1)
	@$(SERVE)/python -m loadtests.run --shape '$(SHAPE)' --host '$(HOST)' --slo '$(SLO)' --duration '$(DURATION)' \
		--processes '$(PROCESSES)'

.PHONY: load-cluster
load-cluster: ## the same from WORKERS=3 pods beside a release (LOAD_IMAGE, kubectl's CONTEXT, NAMESPACE, RELEASE)
	$(call need,kubectl,https://kubernetes.io/docs/tasks/tools)
	@$(PYTHON) -m loadtests.cluster --image '$(LOAD_IMAGE)' --workers '$(WORKERS)' --context '$(CONTEXT)' \
		--namespace '$(NAMESPACE)' --release '$(RELEASE)' --shape '$(SHAPE)' --slo '$(SLO)' --duration '$(DURATION)'

.PHONY: overload
overload: .venv/dev .venv-train/train ## offer five times what the service can answer, with admission control and without (three minutes)
	$(SERVE)/python -m loadtests.overload || code=$$?; \
		$(SERVE)/python -m loadtests.overload_page && $(TRAIN)/python -m loadtests.overload_plot && exit $${code:-0}

.PHONY: hostile
hostile: .venv/dev ## see what honest clients notice of hostile ones (two minutes)
	$(SERVE)/python -m loadtests.hostile

.PHONY: faults
faults: .venv/dev ## kill a worker, stop the service, let the clock jump, all under load (half a minute)
	$(SERVE)/python -m loadtests.faults

.PHONY: soak
soak: .venv/dev ## load the service for 30 minutes; its memory, open files and latency must stay (DURATION=seconds)
	@$(SERVE)/python -m loadtests.soak --slo '$(SLO)' --duration '$(DURATION)' $(ARGS)

.PHONY: capacity
capacity: ## say how many pods serve RATE=300 requests a second, and at what cost (NODES=3, CPU=limit, PRICE=a core-hour)
	@test -n '$(RATE)' || { echo 'Name the requests a second: make capacity RATE=300'; exit 2; }
	@$(PYTHON) -m loadtests.capacity --rate='$(RATE)' --nodes='$(NODES)' $(if $(CPU),--cpu='$(CPU)') $(if $(PRICE),--price='$(PRICE)')

.PHONY: capacity-figures
capacity-figures: image .venv/dev ## measure what one pod keeps, for `make capacity` (docker; a quarter of an hour)
	$(SERVE)/python -m loadtests.pod --image '$(IMAGE)' $(ARGS)

.PHONY: bench
bench: .venv/dev $(if $(PEERS),,.venv-train/train) ## compare with MLServer, KServe, FastAPI and others (ten minutes; PEERS=fastapi,floor for some)
	$(SERVE)/python -m loadtests.bench --home '$(BENCH_HOME)' --peers '$(PEERS)' || code=$$?; \
		$(if $(PEERS),,$(SERVE)/python -m loadtests.bench.page && $(TRAIN)/python -m loadtests.bench.plot &&) exit $${code:-0}

.PHONY: bench-guard
bench-guard: .venv/dev ## fail if a request costs more CPU than was recorded, as a ratio to gunicorn's constant (a minute; ARGS=--write records)
	$(SERVE)/python -m loadtests.bench.guard $(ARGS)

.PHONY: test-bench
test-bench: .venv/dev ## test that the benchmark and its guard see what is wrong or slower (four minutes)
	$(SERVE)/python -m pytest tests/bench $(ARGS)

.PHONY: test-load
test-load: .venv/dev ## test that loads fail on services that are slow, wrong, failing, leaking or absent (three minutes)
	$(SERVE)/python -m pytest tests/load $(ARGS)

.PHONY: test-api
test-api: .venv/dev ## let schemathesis try whether the service does what its description says (a minute)
	$(SERVE)/python -m pytest tests/api $(ARGS)

.PHONY: fuzz
fuzz: .venv/dev .venv-train/train ## run the tests on made-up input for longer, with a fresh seed (SEED=n repeats one)
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "To repeat: make fuzz SEED=$$seed"; \
		fuzz="-m hypothesis --hypothesis-profile fuzz --hypothesis-seed $$seed"; \
		$(SERVE)/python -m pytest tests/app tests/contract tests/api $$fuzz $(ARGS); \
		$(TRAIN)/python -m pytest tests/training $$fuzz $(ARGS)

.PHONY: audit
audit: .venv/dev ## ask PyPI for known vulnerabilities of every pinned package
	$(foreach name,tracing dev train clients,$(SERVE)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes \
		--requirement requirements/$(name).txt$(newline))

.PHONY: test-delivery
test-delivery: .venv/dev ## publish, release, propose and tell, on a registry, a git remote and an Alertmanager on this machine
	$(call need,docker,https://docs.docker.com/get-docker)
	$(call need,skopeo,$(SKOPEO))
	$(call need,docker-registry,https://packages.debian.org/docker-registry)
	$(call need,prometheus-alertmanager,https://packages.debian.org/prometheus-alertmanager)
	$(call need,$(HELM),https://helm.sh/docs/intro/install)
	HELM='$(HELM)' $(SERVE)/python -m pytest tests/delivery $(ARGS)

.PHONY: lock
lock: .venv/dev ## compile requirements/*.txt anew from pyproject.toml (ARGS=--upgrade: to the newest allowed versions)
	$(LOCK) pyproject.toml --extra serve -o requirements/serve.txt
	$(LOCK) pyproject.toml --extra serve --extra tracing -c requirements/serve.txt -o requirements/tracing.txt
	$(LOCK) pyproject.toml --extra serve --extra tracing --group dev -c requirements/tracing.txt -o requirements/dev.txt
	$(LOCK) --group load -c requirements/dev.txt -o requirements/load.txt
	$(LOCK) --group clients -o requirements/clients.txt
	sed -nE '/^gunicorn==/d; s/^([a-z].*[^ ]) \\$$/\1/p' requirements/serve.txt > requirements/shared.in
	$(LOCK) pyproject.toml --extra train --group test -c requirements/shared.in -o requirements/train.txt
	rm requirements/shared.in

.PHONY: lock-bench
lock-bench: .venv/dev ## compile the requirements of the benchmark's peers anew (ARGS=--upgrade)
	for peer in loadtests/bench/peers/*/requirements.in; do $(LOCK) $$peer -o $${peer%.in}.txt; done

LOCK = $(SERVE)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 --custom-compile-command 'make $@' $(ARGS)

# Each file below says that an environment holds what a requirements file names. Compiled at once, as pip does by itself:
# where Python may write no bytecode, each import of TensorFlow would compile it, and take three times as long.
.venv/serve: requirements/serve.txt
	$(call venv,.venv)
	$(SERVE)/python -m pip install --quiet --require-hashes -r requirements/serve.txt
	touch $@

.venv/dev: requirements/dev.txt .venv/serve
	$(SERVE)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	touch $@

.venv-clients/clients: requirements/clients.txt .venv/dev
	$(call venv,.venv-clients)
	$(SERVE)/uv pip install --quiet --compile-bytecode --python $(CLIENTS)/python --require-hashes -r requirements/clients.txt
	touch $@

.venv-train/train: requirements/train.txt .venv/dev
	$(call venv,.venv-train)
	$(SERVE)/uv pip install --quiet --compile-bytecode --python $(TRAIN)/python --require-hashes -r requirements/train.txt
	touch $@

# Steps of the workflows; absent where only the requirements are, as in a test.
-include deploy/github/steps.mk

define newline


endef

define need
	@command -v $(1) >/dev/null || { echo '$(1) is missing. Get it: $(2)'; exit 1; }
endef

define venv
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 is missing. Get it from your package manager (apt install python3 python3-venv, brew install python@3.13), or name it: make PYTHON=/path/to/python3.13'; exit 1; }
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { echo 'This Python cannot make environments: its venv module is missing. On Debian and Ubuntu: apt install python3-venv'; rm -rf $(1); exit 1; }
endef
