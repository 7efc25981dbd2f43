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
build: ## build bin/gkpow, without a C library, which takes a millisecond to load
	CGO_ENABLED=0 go build -trimpath -o bin/gkpow ./cmd/gkpow

.PHONY: release
release: ## build archives, packages and all else of a release from the commit into bin/release
	cd .release && go run . -source .. -out ../bin/release

.PHONY: test
test: ## run the tests, with and without assembly; needs Go and make only
	go test ./...
	go test -tags purego $(PUREGO)

.PHONY: test-all
test-all: ## also: race detector, arm64 (qemu-user), fuzzing, clients in other languages (curl, node, php, python3, C), nginx, redis-server, chromium, Slurm, GNU parallel, Kubernetes' types, packages
	GKPOW_TEST_REQUIRE=$(KERNELS) go test -race ./...
	GOARCH=arm64 GKPOW_TEST_REQUIRE=sha2 go test -exec 'qemu-aarch64 -cpu max' ./solver/asm ./solver
	GKPOW_TEST_INTEROP=1 go test -count=1 -run TestInterop ./cmd/gkpow ./cmd/libgkpow ./client/gktinc/... ./client/rediscache ./bench/fleet
	cd bench/compare && GKPOW_TEST_INTEROP=1 go test -count=1 -run TestInterop .
	cd .ci/manifests && go test .
	cd .release && GKPOW_TEST_INTEROP=1 go test -count=1 -timeout 30m .
	$(MAKE) fuzz
	go test -run '^$$' -bench . -benchtime 1x ./...

.PHONY: test-arch
test-arch: ## test the search on other architectures: s390x and riscv64 (qemu-user), js/wasm (node)
	GOARCH=s390x go test -exec qemu-s390x ./solver/asm ./solver
	GOARCH=riscv64 go test -exec qemu-riscv64 ./solver/asm ./solver
	GOOS=js GOARCH=wasm go test -exec "$$(go env GOROOT)/lib/wasm/go_js_wasm_exec" ./solver/asm ./solver

.PHONY: check
check: ## format, vet, staticcheck, module files and generated files in step
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo 'not formatted: run gofmt -w .'; exit 1; }
	go vet ./... ./solver/asm/_mutate
	go vet -tags purego $(PUREGO)
	GOARCH=arm64 go vet $(PUREGO)
	GOOS=windows GOARCH=386 go vet ./... # another system and 32-bit integers, in one build
	$(STATICCHECK) ./... ./solver/asm/_mutate
	go mod tidy -diff
	$(ACTIONLINT) -shellcheck= -pyflakes=
	cd solver/asm/_gen && go vet . && $(STATICCHECK) . && go mod tidy -diff && go test .
	cd bench/compare && go vet . && $(STATICCHECK) . && go mod tidy -diff && go test .
	cd .ci/manifests && go vet . && $(STATICCHECK) . && go mod tidy -diff
	cd .release && go vet . && $(STATICCHECK) . && go mod tidy -diff
	$(MAKE) asm generate
	@test -z "$$(git status --porcelain -- docs solver/asm)" || { git diff --stat -- docs solver/asm; echo 'generated files were out of step: commit them'; exit 1; }

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities in what gkpow calls; needs vuln.go.dev
	$(GOVULNCHECK) ./...

.PHONY: asm
asm: ## write the assembly of the kernels again
	cd solver/asm/_gen && go run . ..

.PHONY: generate
generate: ## write generated files again
	go generate ./...

.PHONY: bench
bench: ## run the benchmarks
	go test -run '^$$' -bench . ./...

.PHONY: cycles
cycles: ## CPU cycles of every part of every kernel; ARGS=-json for other programs
	go run ./bench/cycles $(ARGS)

.PHONY: compare
compare: ## compare with interpreters, other libraries and openssl (those that are installed)
	cd bench/compare && go run .

# A number of runs, not a time: before Go 1.27 the end of the time may count as
# a failure, "context deadline exceeded" (go.dev/issue/75804).
FUZZTIME := 30000x
.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME=1000000x for longer
	for target in FuzzScan=./solver/asm FuzzScanGrid=./solver/asm FuzzSolve=./solver FuzzText=./client/internal/jsonobject FuzzParseChallenge=./client FuzzAnswers=./client FuzzVerdict=./client FuzzVerify=./client/gktest FuzzClientIP=./client/gktinc FuzzForm=./client/gktinc FuzzPageURL=./client/gktinc; do \
		go test -run '^$$' -fuzz "^$${target%=*}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$${target#*=}" || exit 1; done

MUTANTS := 3000
.PHONY: mutate
mutate: ## measure how many faults in the machine code of the kernels their self-tests find; MUTATE='-goarch arm64 -exec "qemu-aarch64 -cpu max"'
	go run ./solver/asm/_mutate -n $(MUTANTS) $(MUTATE)
