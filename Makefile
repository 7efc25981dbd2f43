.DEFAULT_GOAL := help
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The kernels that must run in the tests on this CPU.
KERNELS := $(shell ./.ci/kernels)

# The packages with code that depends on the tag purego or on the architecture.
PUREGO := ./solver/... ./strategies

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: build
build: ## build bin/gkpow without cgo, since a C library takes a millisecond to load
	CGO_ENABLED=0 go build -trimpath -o bin/gkpow ./cmd/gkpow

.PHONY: release
release: ## build a release (archives, packages, notices) from the current commit into bin/release
	cd .release && go run . -source .. -out ../bin/release

# Without -j, run two jobs at a time where that takes about half as long.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2)

.PHONY: test test-assembly test-purego
test: ## run the tests, with and without assembly; needs Go and make only
	@$(MAKE) --no-print-directory $(JOBS) test-assembly test-purego

# The longest packages come first. Many tests of cmd/gkpow only wait, so more of them than CPUs run
# at a time.
test-assembly:
	GKPOW_TEST_REQUIRE=$(KERNELS) go test -parallel 8 ./cmd/gkpow ./solver/... ./...

# make check vets the code of test-purego, race and arm64, so these targets do not: with a new build
# cache, go test would vet all packages that they import, too.
test-purego:
	go test -vet=off -short -tags purego $(PUREGO)

# The targets that test-all runs besides test. They can run at the same time; those that mostly
# wait come first. -short runs the same tests with fewer repetitions; SHORT= makes race, interop
# and release-interop run all repetitions.
SHORT := -short
ALL := interop release-interop race arm64 wasm compare-interop manifests fuzz bench-once

.PHONY: test-all s390x riscv64 $(ALL)
test-all: test $(ALL) ## also: race detector, arm64 (qemu-user), wasm (node), fuzzing, clients in other languages, servers, packages; see docs/CONTRIBUTING.md

race:
	go test -vet=off -race $(SHORT) ./...

arm64:
	GOARCH=arm64 GKPOW_TEST_REQUIRE=sha2 go test -vet=off -exec 'qemu-aarch64 -cpu max' ./solver/asm
	GOARCH=arm64 go test -vet=off -short -exec 'qemu-aarch64 -cpu max' ./solver

s390x riscv64:
	GOARCH=$@ go test -short -timeout 30m -exec qemu-$@ ./solver/asm ./solver

wasm:
	GOOS=js GOARCH=wasm go test -short -timeout 30m -exec "$$(go env GOROOT)/lib/wasm/go_js_wasm_exec" ./solver/asm ./solver

interop:
	GKPOW_TEST_INTEROP=1 go test $(SHORT) -p 4 -count=1 -run TestInterop ./cmd/gkpow ./cmd/libgkpow ./client/gktinc/... ./client/rediscache ./bench/fleet

compare-interop:
	cd bench/compare && GKPOW_TEST_INTEROP=1 go test -count=1 -run TestInterop .

manifests:
	cd .ci/manifests && GKPOW_TEST_INTEROP=1 go test .

release-interop:
	cd .release && GKPOW_TEST_INTEROP=1 go test $(SHORT) -count=1 -timeout 30m .

bench-once: # skips BenchmarkLayouts, which takes minutes, most of them for slow kernels
	go test -run '^$$' -bench . -skip Layouts -benchtime 1x $$(grep -rl '^func Benchmark' --include='*_test.go' bench client cmd solver strategies | grep -v -e /_ -e bench/compare | xargs -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: test-arch
test-arch: s390x riscv64 wasm ## test the search on other architectures: s390x and riscv64 (qemu-user), js/wasm (node)

# The modules besides gkpow itself.
MODULES := solver/asm/_gen bench/compare .ci/manifests .release
CHECKS := check-format check-vet check-purego check-arm64 check-386 check-static check-actions $(MODULES:%=check-module/%)

.PHONY: check check-generated $(CHECKS)
check: ## check format, vet, staticcheck, modules and generated files
	@$(MAKE) --no-print-directory $(JOBS) $(CHECKS)
	@$(MAKE) --no-print-directory check-generated # last: it writes files that the others read

check-format:
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo 'not formatted: run gofmt -w .'; exit 1; }
	go mod tidy -diff

check-vet:
	go vet ./... ./solver/asm/_mutate

check-purego:
	go vet -tags purego $(PUREGO)

check-arm64:
	GOARCH=arm64 go vet $(PUREGO)

check-386: # another system and 32-bit integers, in one build; nothing runs, so nothing is optimized
	GOOS=windows GOARCH=386 go vet -gcflags='all=-N -l' ./...

check-static:
	$(STATICCHECK) ./... ./solver/asm/_mutate

check-actions:
	$(ACTIONLINT) -shellcheck= -pyflakes=

$(MODULES:%=check-module/%): check-module/%:
	cd $* && go vet . && $(STATICCHECK) . && go mod tidy -diff

check-generated:
	cd solver/asm/_gen && go test .
	cd bench/compare && go test .
	$(MAKE) asm generate
	@test -z "$$(git status --porcelain -- docs solver/asm)" || { git diff --stat -- docs solver/asm; echo 'generated files were out of date: commit the new ones'; exit 1; }

.PHONY: vulnerabilities
vulnerabilities: ## report known vulnerabilities in code that gkpow calls; needs vuln.go.dev
	$(GOVULNCHECK) ./...

.PHONY: asm
asm: ## regenerate the assembly of the kernels
	cd solver/asm/_gen && go run . ..

.PHONY: generate
generate: ## regenerate the other generated files
	go generate ./...

.PHONY: bench
bench: ## run the benchmarks
	go test -run '^$$' -bench . ./...

.PHONY: cycles
cycles: ## measure every part of every kernel in CPU cycles; ARGS=-json for other programs
	go run ./bench/cycles $(ARGS)

.PHONY: compare
compare: ## compare with interpreters, other libraries and openssl (those that are installed)
	cd bench/compare && go run .

# A number of runs rather than a time: before Go 1.27, fuzzing may fail with "context deadline
# exceeded" when its time ends (go.dev/issue/75804).
FUZZTIME := 2000x
.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME=1000000x for longer
	for target in FuzzScan=./solver/asm FuzzScanGrid=./solver/asm FuzzScanShared=./solver/asm FuzzSolve=./solver FuzzText=./client/internal/jsonobject FuzzParseChallenge=./client FuzzAnswers=./client FuzzVerdict=./client FuzzVerify=./client/gktest FuzzClientIP=./client/gktinc FuzzForm=./client/gktinc FuzzPageURL=./client/gktinc; do \
		go test -run '^$$' -fuzz "^$${target%=*}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$${target#*=}" || exit 1; done

MUTANTS := 3000
.PHONY: mutate
mutate: ## measure how many planted faults the self-tests of the kernels find; MUTATE='-goarch arm64 -exec "qemu-aarch64 -cpu max"'
	go run ./solver/asm/_mutate -n $(MUTANTS) $(MUTATE)
