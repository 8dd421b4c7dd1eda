# The everyday commands. `make` alone lists them.

BUILD_TEST := build/test
BUILD_RELEASE := build/release
JOBS := $(shell nproc)
# Two places a core: tests that wait for a server take one, those that compute both (cmake/tests.cmake).
TEST_JOBS := $(shell expr 2 '*' $(JOBS))
CMAKE := cmake -G Ninja -S . --no-warn-unused-cli

# make test T=lease: only tests whose name matches
CTEST_ONLY := $(if $(T),-R '$(T)')

.PHONY: help demo test bench build fmt lint fuzz clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: ## build, start a server with two local machines, run a small RSpec suite, show the page
	@scripts/demo.sh

test: ## build with sanitizers and run every test (make test T=name for some)
	@scripts/install-deps.sh test
	@mkdir -p build && $(CMAKE) -B $(BUILD_TEST) -DCMAKE_BUILD_TYPE=Debug -DWRATA_SANITIZE=address,undefined -DWRATA_TEST_PLACES=2 >$(BUILD_TEST).log 2>&1 \
		|| { cat $(BUILD_TEST).log; exit 1; }
	@ninja -C $(BUILD_TEST) -j$(JOBS)
	@ctest --test-dir $(BUILD_TEST) --output-on-failure --no-label-summary -j$(TEST_JOBS) $(CTEST_ONLY)

build: ## the program for use: build/release/wrata
	@scripts/install-deps.sh build
	@$(CMAKE) -B $(BUILD_RELEASE) -DCMAKE_BUILD_TYPE=Release
	@ninja -C $(BUILD_RELEASE) -j$(JOBS) wrata

bench: ## measure against the contenders, side by side (make bench T=local for one)
	@scripts/install-deps.sh bench
	@$(MAKE) --no-print-directory build
	@ninja -C $(BUILD_RELEASE) -j$(JOBS) benches
	@WRATA_BUILD=$(BUILD_RELEASE) python3 bench/run.py $(T)

fmt: ## format the C sources
	@find src tools tests sim fuzz bench -name tidy-fixtures -prune -o -name '*.[ch]' -type f -print \
		| xargs -r clang-format -i

lint: ## format check, our own rules, cppcheck, clang-tidy (slow)
	@scripts/install-deps.sh lint
	@$(CMAKE) -B $(BUILD_TEST) -DCMAKE_BUILD_TYPE=Debug -DWRATA_SANITIZE=address,undefined >/dev/null
	@ninja -C $(BUILD_TEST) -j$(JOBS) wrata-tidy gen/embed_adapters.h
	@scripts/lint.sh format
	@$(BUILD_TEST)/wrata-tidy .
	@WRATA_BUILD=$(BUILD_TEST) scripts/lint.sh cppcheck
	@WRATA_BUILD=$(BUILD_TEST) scripts/lint.sh clang-tidy

fuzz: ## real fuzzers with libFuzzer, a minute each (make fuzz T=frame for one, S=600 for longer)
	@scripts/fuzz.sh '$(T)' '$(or $(S),60)'

clean: ## remove what was built
	@rm -rf build web/dist .demo
