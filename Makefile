# MemLong: `make` runs a pipeline from raw text to report, `make help` lists the rest.
# A pipeline's values, each with its reason, are in pipelines/$(PIPELINE)/config.mk.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

PIPELINE ?= demo
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/memlong
# Prefixes: of every tool of the pipeline (RUN='srun -n1 -c8'), and of the training alone.
RUN ?=
MPIRUN ?=
# Instruction set of the build; empty: the compiler's baseline, which runs everywhere.
MARCH ?= native
# Optional parts of the build: OneDNN, for --compute bf16.
TRAITS ?=
# Threads of each tool; empty: all cores. Results do not depend on it.
THREADS ?=

include pipelines/$(PIPELINE)/config.mk

# --- Build -----------------------------------------------------------------------------------

TOOLS := ml-chunk ml-embed ml-index ml-train ml-eval ml-shard
SWIFT_FLAGS := -c release $(if $(MARCH),-Xcc -march=$(MARCH)) $(if $(TRAITS),--traits $(TRAITS))
BIN ?= .build/release
# One word a tool: its name, its version and a hash of its sources. Stages depend on these words and
# not on dates, so building the same sources again reruns nothing.
BUILT ?= .build/built
BUILD_INPUTS ?= Package.swift $(shell find Sources -type f)

# $(call changed,FILE,TEXT): FILE is FORCEd to be rewritten when it does not hold TEXT.
changed = $(if $(subst x$(strip $2),,x$(strip $(file <$1))),FORCE)

.build/packages: pipelines/tools/packages.sh $(call changed,.build/packages,$(TRAITS))
	@echo '=== 1/8 packages ==='
	@pipelines/tools/packages.sh '$(TRAITS)'
	@mkdir -p $(@D) && echo '$(TRAITS)' >$@

.build/flags: $(call changed,.build/flags,$(SWIFT_FLAGS))
	@mkdir -p $(@D) && echo '$(SWIFT_FLAGS)' >$@

$(BUILT): $(BUILD_INPUTS) .build/flags | .build/packages
	@echo '=== 2/8 build ==='
	swift build $(SWIFT_FLAGS)
	@python3 pipelines/tools/versions.py $(BIN) $(TOOLS) >$@

# --- Fetch -----------------------------------------------------------------------------------

SMOLLM2 := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
MINILM := $(CACHE)/models/minilm/model.safetensors
AUSTEN := $(addprefix $(CACHE)/text/austen/,$(addsuffix .jsonl,emma mansfield-park \
  sense-and-sensibility pride-and-prejudice persuasion northanger-abbey))

$(SMOLLM2): | .build/packages
	@pipelines/tools/fetch.sh smollm2 '$(CACHE)'
$(MINILM): | .build/packages
	@pipelines/tools/fetch.sh minilm '$(CACHE)'
$(AUSTEN) &: | .build/packages
	@pipelines/tools/fetch.sh austen '$(CACHE)'

ifneq ($(filter $(TRAIN),$(EVAL)),)
$(error $(filter $(TRAIN),$(EVAL)): for training and for evaluation both)
endif
RAW := $(patsubst %,$(TEXT)/%.jsonl,$(TRAIN) $(EVAL))
MODELS := $(BASE_MODEL) $(RETRIEVER)/model.safetensors

# --- Stages ----------------------------------------------------------------------------------

R := runs/$(PIPELINE)
STAGE := @pipelines/tools/stage.sh
COMMON := $(if $(THREADS),--threads $(THREADS))

# A stage's stamp holds its tool's word of $(BUILT) and its options. It is rewritten only when that
# text changes, so an output depends on exactly the parameters that stand on its command line.
#   $(eval $(call stamp,NAME,TOOL)), with the options in NAME.options
define stamp
$1.stamp := $(R)/stamps/$1
$1.content := $$(strip $$(or $$(filter $2/%,$$(file <$(BUILT))),$2) $$($1.options))
$(R)/stamps/$1: $$(call changed,$(R)/stamps/$1,$$($1.content))
	@mkdir -p $$(@D) && printf '%s\n' '$$(subst ','\'',$$($1.content))' >$$@
endef

# Chunks, a shard per text.
chunk.common = --tokenizer $(BASE_MODEL) --chunk-tokens $(CHUNK_TOKENS) \
  --segment-tokens $(SEGMENT_TOKENS) --pack $(PACK)
chunk-train.options = $(chunk.common) --max-tokens $(TRAIN_TOKENS)
chunk-eval.options = $(chunk.common) --max-tokens $(EVAL_TOKENS)
$(foreach set,train eval,$(eval $(call stamp,chunk-$(set),ml-chunk)))

train.chunks := $(TRAIN:%=$(R)/chunks/%.mls)
eval.chunks := $(EVAL:%=$(R)/chunks/%.mls)
define chunk
$($1.chunks): $(R)/chunks/%.mls: $(TEXT)/%.jsonl $(BASE_MODEL) $(chunk-$1.stamp)
	$(STAGE) '4/8 chunk $$*' $$(@:.mls=.log) $(RUN) $(BIN)/ml-chunk $$(chunk-$1.options) \
	  $(COMMON) -o $$@ $$<
endef
$(foreach set,train eval,$(eval $(call chunk,$(set))))

# Embeddings, a shard per text and query protocol.
embed.common = --model $(RETRIEVER) --query-tokens $(QUERY_TOKENS) --block-tokens $(BLOCK_TOKENS)
embed-previous.options = $(embed.common) --query previous
embed-current.options = $(embed.common) --query current
$(foreach query,previous current,$(eval $(call stamp,embed-$(query),ml-embed)))

embeddings = $($1:%=$(R)/embeddings/%.$2.mls)
define embed
$(call embeddings,$1,$2): $(R)/embeddings/%.$2.mls: $(R)/chunks/%.mls \
    $(RETRIEVER)/model.safetensors $(embed-$2.stamp)
	$(STAGE) '5/8 embed $$*, query $2' $$(@:.mls=.log) $(RUN) $(BIN)/ml-embed $$(embed-$2.options) \
	  $(COMMON) -o $$@ $$<
endef
$(eval $(call embed,TRAIN,$(TRAIN_QUERY)))
$(foreach query,previous current,$(eval $(call embed,EVAL,$(query))))

# Plans: one for the training, four for the evaluation. The controls (recent, random) differ from
# `previous` in what they select and in nothing else.
index.common = --top-k $(TOP_K) --memory-tokens $(MEMORY_TOKENS) --eviction $(EVICTION) \
  --reset $(RESET)
index-nearest.options = $(index.common) --select nearest
index-recent.options = $(index.common) --select recent
index-random.options = $(index.common) --select random
$(foreach select,nearest recent random,$(eval $(call stamp,index-$(select),ml-index)))

# $(eval $(call plan,PLAN,SET,QUERY,SELECT))
define plan
$(R)/plans/$1.mls: $(call embeddings,$2,$3) $(index-$4.stamp)
	$(STAGE) '6/8 index $1' $$(@:.mls=.log) $(RUN) $(BIN)/ml-index $$(index-$4.options) \
	  $(COMMON) -o $$@ $(call embeddings,$2,$3)
endef
$(eval $(call plan,train,TRAIN,$(TRAIN_QUERY),nearest))
$(eval $(call plan,eval.previous,EVAL,previous,nearest))
$(eval $(call plan,eval.current,EVAL,current,nearest))
$(eval $(call plan,eval.recent,EVAL,previous,recent))
$(eval $(call plan,eval.random,EVAL,previous,random))

# Training: stage 1 warms up all layers, stage 2 trains the layers above the memory layer.
train.common = --model $(BASE_MODEL) --memory-layer $(MEMORY_LAYER) --positions $(POSITIONS) \
  --lora-rank $(LORA_RANK) --lora-alpha $(LORA_ALPHA)
train-1.options = --stage 1 $(train.common) --learning-rate $(STAGE1_RATE) $(STAGE1_OPTIONS)
train-2.options = --stage 2 $(train.common) --learning-rate $(STAGE2_RATE) \
  --retrieval-layers $(RETRIEVAL_LAYERS) $(STAGE2_OPTIONS)
$(foreach stage,1 2,$(eval $(call stamp,train-$(stage),ml-train)))

adapter = $(R)/stage$1/adapter
adapter.file = $(call adapter,$1)/adapter_model.safetensors
train.inputs := $(R)/plans/train.mls $(train.chunks)

# A stopped stage goes on from its last checkpoint, unless something that it depends on has changed.
# $(call train,STAGE,OPTIONS)
checkpoints = $(call adapter,$1).checkpoints
define train
	@[ -z "$$(find $^ -newer $(call checkpoints,$1) 2>/dev/null)" ] || rm -rf $(call checkpoints,$1)
	$(STAGE) '7/8 train, stage $1' $(call adapter,$1).log $(RUN) $(MPIRUN) $(BIN)/ml-train \
	  $(train-$1.options) $(COMMON) -v $2 --plan $(R)/plans/train.mls -o $(call adapter,$1) \
	  --resume $(if $(CHECKPOINT_EVERY),--checkpoint-every $(CHECKPOINT_EVERY)) $(train.chunks)
	@rm -rf $(call checkpoints,$1)
endef
$(call adapter.file,1): $(train.inputs) $(BASE_MODEL) $(train-1.stamp)
	$(call train,1)
$(call adapter.file,2): $(train.inputs) $(call adapter.file,1) $(BASE_MODEL) $(train-2.stamp)
	$(call train,2,--adapter $(call adapter,1))

# Evaluation: base and trained, each without memory and with each of the four plans. What the memory
# looks like stands in the trained adapter's config.json; the base is told.
evaluate-off.options = --model $(BASE_MODEL) --protocol stream
evaluate-base.options = $(evaluate-off.options) --memory-layer $(MEMORY_LAYER) \
  --retrieval-layers $(RETRIEVAL_LAYERS) --positions $(POSITIONS)
evaluate-trained.options = $(evaluate-off.options) --adapter $(call adapter,2)
$(foreach system,off base trained,$(eval $(call stamp,evaluate-$(system),ml-eval)))

plans := recent random previous current
results :=
# $(eval $(call evaluate,SYSTEM,MEMORY,OPTIONS,INPUTS,PLAN or nothing))
define evaluate
results += $(R)/eval/$1.$2.json
$(R)/eval/$1.$2.json: $(eval.chunks) $5 $4 $(BASE_MODEL) $(evaluate-$3.stamp)
	$(STAGE) '8/8 evaluate $1, memory $2' $$(@:.json=.log) $(RUN) $(BIN)/ml-eval lm \
	  $$(evaluate-$3.options) $(COMMON) $(if $5,--plan $5) --scores $$(@:.json=.mls) -o $$@ \
	  $(eval.chunks)
endef
$(eval $(call evaluate,base,off,off))
$(foreach memory,$(plans),$(eval \
  $(call evaluate,base,$(memory),base,,$(R)/plans/eval.$(memory).mls)))
$(eval $(call evaluate,trained,off,trained,$(call adapter.file,2)))
$(foreach memory,$(plans),$(eval \
  $(call evaluate,trained,$(memory),trained,$(call adapter.file,2),$(R)/plans/eval.$(memory).mls)))

report.options = --title $(PIPELINE) --command 'make$(if $(filter-out demo,$(PIPELINE)), \
  PIPELINE=$(PIPELINE))'
$(eval $(call stamp,report,ml-eval))
REPORT := $(R)/eval/report.md
$(REPORT): $(results) $(report.stamp)
	$(STAGE) '8/8 report' $(@:.md=.log) $(RUN) $(BIN)/ml-eval report $(report.options) \
	  -o $@ $(results)
	@sed '/^## Systems/,$$d' $@
	@pipelines/tools/results.sh drift $(PIPELINE)

# --- Measuring -------------------------------------------------------------------------------

# full (some minutes, recorded in pipelines/bench/RESULTS) or quick.
BENCH ?= full
# The cases whose name contains this; empty: all.
BENCH_ONLY ?=
# Folder of the .jsonl files that are tokenised.
BENCH_TEXT ?= $(CACHE)/text/austen
# The peers' Python environment, taken as it is; empty: one in the cache, made from PyPI once.
BENCH_VENV ?=
# More packages for that one, such as llama-cpp-python (compiled for long); none: no peers.
BENCH_PEERS ?=

# --- What you type ---------------------------------------------------------------------------

.PHONY: all build fetch pipeline test bench check format results help clean FORCE

# The pipeline is a second make, because the stamps read the versions of tools that are built here.
all: build fetch ## build, fetch, run the pipeline, print its report
	@if $(MAKE) -q pipeline >/dev/null 2>&1; then echo 'Nothing to do: $(REPORT) is up to date.'; \
	else $(MAKE) --no-print-directory pipeline; fi

build: $(BUILT) ## install what is missing, build the tools
fetch: $(MODELS) $(RAW) ## fetch the pipeline's models and text into the cache
# In the order of the stages, so that one job runs them so.
pipeline: $(train.chunks) $(eval.chunks) $(call embeddings,TRAIN,$(TRAIN_QUERY)) \
  $(call embeddings,EVAL,previous) $(call embeddings,EVAL,current) $(R)/plans/train.mls \
  $(plans:%=$(R)/plans/eval.%.mls) $(call adapter.file,1) $(call adapter.file,2) $(REPORT)

test: build $(SMOLLM2) $(MINILM) ## every test: the tools' cases, PEFT where it is installed, the modules
	Tests/cli/run.sh
	python3 Tests/interop/adapters.py $(BIN)
	swift test $(SWIFT_FLAGS) --disable-swift-testing $(if $(FILTER),--filter $(FILTER))

bench: build $(SMOLLM2) $(MINILM) $(AUSTEN) ## measure every tool beside its peers (BENCH=quick: less)
	@env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python3 pipelines/bench/bench.py --mode '$(BENCH)' \
	  --bin $(BIN) --model $(SMOLLM2) --retriever $(dir $(MINILM)) --text '$(BENCH_TEXT)' \
	  --work runs/bench --venv '$(or $(BENCH_VENV),$(CACHE)/bench)' $(if $(BENCH_VENV),--reuse) \
	  --peers '$(BENCH_PEERS)' --only '$(BENCH_ONLY)' $(COMMON)

# Names of formats (BF16, Q4_1) keep their spelling: .swift-format lets capitals stand.
check: ## format, spaces, lengths, who imports whom
	python3 pipelines/tools/check.py
	swift format lint --strict --recursive --parallel Package.swift Sources Tests

format: ## rewrite the sources as `make check` wants them
	swift format --in-place --recursive --parallel Package.swift Sources Tests

results: ## record the report in pipelines/$(PIPELINE)/RESULTS
	@pipelines/tools/results.sh record $(PIPELINE)

clean: ## remove the build and this pipeline's outputs (the cache stays)
	rm -rf .build $(R) runs/bench

help: ## this list
	@sed -n 's/^\([a-z]*\):.* ## /\1\t/p' Makefile | expand -t 10
	@echo 'Variables: PIPELINE RUN MPIRUN THREADS CHECKPOINT_EVERY MARCH TRAITS FILTER, and any of pipelines/$(PIPELINE)/config.mk'
	@echo 'of bench: BENCH BENCH_ONLY BENCH_TEXT BENCH_VENV BENCH_PEERS'
