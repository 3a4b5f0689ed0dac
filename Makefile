.PHONY: lighthouse drills validate bench bench-quick bench-growth bench-lists bench-lists-quick profile init-check add-check billing billing-check fuzz-rows assistant-check assistant-memory rename rename-check release-check

# About 12 minutes; writes the table into bench/README.md.
bench:
	go run ./bench -write

# Under 2 minutes; writes nothing.
bench-quick:
	go run ./bench -quick

# About 3 minutes; writes the growth tables into bench/README.md.
bench-growth:
	go run ./bench -growth -write

# About 20 minutes, 3 a workload; writes the tables of lists into bench/README.md.
bench-lists:
	go run ./bench -lists -write

# Under 2 minutes; writes nothing.
bench-lists-quick:
	go run ./bench -lists -quick

# Under a minute; releases and the bench are compiled with it: https://go.dev/doc/pgo
profile:
	go run ./bench -profile bench/default.pgo

# About 2 minutes the first time: the files of deployment and continuous integration. Needs systemd-analyze.
validate:
	cd deploy/validate && go vet . && go test -count=1 .
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -shellcheck= .github/workflows/*.yml internal/scaffold/project/.github/workflows/*.yml

# About 3 minutes: what is around the server breaks under load. Needs pgbouncer, redis-server and nginx.
drills:
	go test -tags services -count=1 -v ./drills

# About 5 minutes: Lighthouse on each page of examples/nextjs. Needs chromium, and npm ci in examples/nextjs and e2e.
lighthouse:
	npm ci --prefix e2e/lighthouse --loglevel=error
	npm --prefix e2e/lighthouse run measure

# `usergraph init` makes a project that works, outside this folder and without a network.
init-check:
	.ci/init-check

# `usergraph add` writes an API that works and whose tests find a missing guard, in such a project.
add-check:
	.ci/add-check

# examples/billing is what init and add write. After a change of what they write: make billing.
billing-check:
	.ci/billing-check

billing:
	.ci/billing-check --write

# examples/assistant is what init, add and people write, and its tests pass.
assistant-check:
	.ci/assistant-check

# Under a minute: what 1,000 open answers of examples/assistant keep in memory.
assistant-memory:
	cd examples/assistant && go test -tags memory -run Memory -count=1 -v ./chat

# An hour of random schemas, documents and rows: rows that package rowjson writes have the bytes of gqlgen's code.
fuzz-rows:
	.ci/fuzz-rows 3600

# Gives the module another path: make rename MODULE=host/path. The profile names functions by it: make profile afterwards.
rename:
	go run ./internal/rename "$(MODULE)"
	go generate . ./internal/testapi

# The same in a copy, with a release of it.
rename-check:
	.ci/rename-check

# About 10 minutes on an idle machine, 50 on a busy one: besides, all that a release has, and a project that is carried over to the next version. docs/release.md
release-check:
	.ci/rename-check --release
