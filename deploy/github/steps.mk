# Steps of the workflows in .github that are of use there alone. They take what GitHub gives from the environment.
# Included by the Makefile.

.PHONY: packages
packages: ## install what the tests need from Debian's or Ubuntu's packages, as root or by sudo (PACKAGES=skopeo)
	$(call need,apt-get,https://wiki.debian.org/apt-get)
	$(SUDO) apt-get update --quiet
	$(SUDO) apt-get install --yes --quiet --no-install-recommends $(PACKAGES)
SUDO = $(shell command -v sudo)
PACKAGES ?= prometheus prometheus-alertmanager docker-registry skopeo

.PHONY: actionlint
actionlint: ## install actionlint with Go, into .venv/bin
	$(call need,go,https://go.dev/doc/install)
	GOBIN='$(CURDIR)/.venv/bin' go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.PHONY: pull-request
pull-request: ## propose the challenger in dist/challenger: open the pull request, or bring it up to date
	$(call need,git,https://git-scm.com/downloads)
	$(call need,gh,https://cli.github.com)
	@$(PYTHON) -m deploy.github.pull_request

.PHONY: newest-champion
newest-champion: ## fail if the branch has another champion than this commit by now
	$(call need,git,https://git-scm.com/downloads)
	$(call need,gh,https://cli.github.com)
	@$(PYTHON) -m deploy.github.newest

.PHONY: result
result: ## say how the jobs in NEEDS ended; fail unless all succeeded
	@$(PYTHON) -m deploy.github.result

.PHONY: issue
issue: ## the same, and open the issue on the nightly checks, or tell what failed in the open one
	$(call need,gh,https://cli.github.com)
	@$(PYTHON) -m deploy.github.result --issue

.PHONY: registry-login
registry-login: ## log in to the registry of REGISTRY as GITHUB_ACTOR with GITHUB_TOKEN
	$(call need,docker,https://docs.docker.com/get-docker)
	@registry="$${REGISTRY:?is not set: a name with its registry, as in ghcr.io/owner/name}"; \
		printf %s "$${GITHUB_TOKEN:?is not set}" | docker login "$${registry%%/*}" --username "$$GITHUB_ACTOR" --password-stdin

.PHONY: publish-image tested-image release-image
publish-image: registry-tools ## push the archives in dist/ under the commit's name, for both architectures
	@$(PYTHON) -m deploy.github.registry publish
tested-image: registry-tools ## wait for the image of REVISION, which is there once its tests passed
	@$(PYTHON) -m deploy.github.registry tested
release-image: registry-tools ## name the digest after VERSION
	@$(PYTHON) -m deploy.github.registry release

.PHONY: verify-image
verify-image: ## check that ci on the main branch of this repository built the image of DIGEST
	$(call need,gh,https://cli.github.com)
	gh attestation verify "oci://$${REPOSITORY:?is not set: the name of an image}@$${DIGEST:?is not set: its digest}" \
		--repo "$$GITHUB_REPOSITORY" --source-ref refs/heads/main \
		--signer-workflow "$$GITHUB_REPOSITORY/.github/workflows/ci.yml"

.PHONY: release-version
release-version: ## say which version this run releases; a tag must agree with pyproject.toml, chart and changelog
	@$(PYTHON) -m deploy.github.version

.PHONY: release-chart
release-chart: registry-tools ## package the chart with the image of DIGEST, and push it as VERSION
	$(call need,$(HELM),https://helm.sh/docs/intro/install)
	@HELM='$(HELM)' $(PYTHON) -m deploy.github.chart

.PHONY: sign
sign: ## sign REFERENCE, name@digest, with the workflow's own identity
	$(call need,cosign,https://docs.sigstore.dev/cosign/system_config/installation)
	cosign sign --yes "$${REFERENCE:?is not set: what to sign, as name@sha256:…}"

.PHONY: release-notes
release-notes: ## show the changelog's section in dist/notes.md as the tag's release
	$(call need,gh,https://cli.github.com)
	gh release edit "$$GITHUB_REF_NAME" --notes-file dist/notes.md || \
		gh release create "$$GITHUB_REF_NAME" --verify-tag --title "$$GITHUB_REF_NAME" --notes-file dist/notes.md

.PHONY: registry-tools
registry-tools:
	$(call need,docker,https://docs.docker.com/get-docker)
	$(call need,skopeo,$(SKOPEO))
