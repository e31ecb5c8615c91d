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
# Programs from PyPI that a recipe needs, installed once (pipelines/tools/pypi.txt).
PYPI ?= $(CACHE)/pypi
# Prefixes: of every tool of the pipeline (RUN='srun -n1 -c8'), and of the training alone.
RUN ?=
MPIRUN ?=
# Instruction set of the build; empty: the compiler's baseline, which runs everywhere.
MARCH ?= native
# Optional parts of the build: OneDNN, for --compute bf16 and a faster float32.
TRAITS ?=
# Threads of each tool; empty: all cores. Results do not depend on it.
THREADS ?=

# $(call each,A B,C D): A/C A/D B/C B/D.
each = $(foreach one,$1,$(foreach other,$2,$(one)/$(other)))

ifeq ($(wildcard pipelines/$(PIPELINE)/config.mk),)
$(error no recipe pipelines/$(PIPELINE)/config.mk)
endif
before-recipe := $(.VARIABLES)
include pipelines/$(PIPELINE)/config.mk

# A variable of the command line that nothing here or in the recipe reads is refused, and so is one of the
# recipe that looks like a slip of the pen. What only the environment of programs knows is let through.
open := (
close := )
comma := ,
texts := $(foreach file,$(MAKEFILE_LIST),$(file <$(file)))
is-read = $(strip $(foreach form,$$$(open)$1$(close) $$$(open)$1: $${$1} $(comma)$1$(close),$(findstring \
  $(form),$(texts))))
unread = $(foreach name,$1,$(if $(call is-read,$(name)),,$(name)))
capitals := $(addsuffix %,A B C D E F G H I J K L M N O P Q R S T U V W X Y Z)
typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
typed := $(call unread,$(filter-out %.from %.rows %.options EVAL.% EVALUATE.% HF_% OMP_% OPENBLAS_% -%,$(typed)))
written := $(filter $(capitals),$(filter-out $(before-recipe),$(.VARIABLES)))
written := $(call unread,$(foreach name,$(written),$(if $(findstring .,$(name)),,$(name))))
ifneq ($(typed)$(written),)
unknown := $(shell python3 pipelines/tools/unknown.py '$(typed)' '$(written)' $(MAKEFILE_LIST))
ifneq ($(unknown),)
$(error $(unknown))
endif
endif

# What a recipe may leave out: the texts of EVAL are one set, each system is evaluated with its memory
# off and with each kind of plan, and in-context learning and needles are not asked for.
EVAL_SETS ?= $(PIPELINE)
EVAL.$(PIPELINE) ?= $(EVAL)
EVAL ?= $(sort $(foreach set,$(EVAL_SETS),$(EVAL.$(set))))
EVALUATE ?= $(call each,base trained,off recent random previous current)
# $(call evaluated,SET): EVALUATE.SET, where a set of texts is asked other things.
evaluated = $(or $(EVALUATE.$1),$(EVALUATE))
ICL ?=
NEEDLE ?=
# Stages of training; 2: only the second, on the base model.
STAGES ?= 1 2
# Options of ml-index for the training's plan alone.
TRAIN_PLAN ?=
# Which layers keep and read memory; empty: all in evaluation and tasks, upper in training. The three
# below change a layout's layers and positions where they say something.
LAYOUT ?=
MEMORY_LAYER ?=
RETRIEVAL_LAYERS ?=
POSITIONS ?=

# --- Build -----------------------------------------------------------------------------------

TOOLS := ml-chunk ml-embed ml-index ml-train ml-eval ml-shard
SWIFT_FLAGS := -c release $(if $(MARCH),-Xcc -march=$(MARCH)) $(if $(TRAITS),--traits $(TRAITS))
BIN ?= .build/release
# One word a tool: its name, its version and a hash of its sources. Stages depend on these words and
# not on dates, so building the same sources again reruns nothing.
BUILT ?= .build/built
BUILD_INPUTS ?= Package.swift $(shell find Sources -type f)

# $(call changed,FILE,TEXT): FILE is FORCEd to be rewritten when it does not hold TEXT.
changed = $(call differ,$2,$(file <$1))
differ = $(if $(subst x$(strip $1),,x$(strip $2)),FORCE)

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
STDLIB := $(addprefix $(CACHE)/text/stdlib/,$(addsuffix .jsonl,asyncio difflib doctest html http mailbox \
  multiprocessing pdb pickletools pydoc shutil statistics tarfile turtle unittest xml xmlrpc))

$(SMOLLM2): | .build/packages
	@pipelines/tools/fetch.sh smollm2 '$(CACHE)'
$(MINILM): | .build/packages
	@pipelines/tools/fetch.sh minilm '$(CACHE)'
$(AUSTEN) &: | .build/packages
	@pipelines/tools/fetch.sh austen '$(CACHE)'
$(STDLIB) &: | .build/packages
	@pipelines/tools/fetch.sh stdlib '$(CACHE)'

ifneq ($(filter $(TRAIN),$(EVAL)),)
$(error $(filter $(TRAIN),$(EVAL)): for training and for evaluation both)
endif

# A text's files: NAME.from, else NAME with the first known suffix in $(TEXT).
text.suffixes := .jsonl .jsonl.zst .jsonl.gz .json .txt .parquet
named = $(addprefix $(TEXT)/$1,$(text.suffixes))
from = $(or $($1.from),$(firstword $(wildcard $(named)) $(named)))
base-model.from := $(BASE_MODEL)
retriever.from := $(RETRIEVER)
more.from := $(FETCH)

# What is named hf://[datasets/]ORG/NAME@REVISION[/PATH] comes from the Hugging Face hub into the cache that its
# clients share. $(CACHE)/fetched/$(PIPELINE)/NAME says which files these are; it is renewed when other ones
# are wanted or when they are gone. Tools take a model by its name, without hf://.
HUB := $(abspath $(or $(HF_HUB_CACHE),$(HUGGINGFACE_HUB_CACHE),$(or $(HF_HOME),$(or \
  $(XDG_CACHE_HOME),$(HOME)/.cache)/huggingface)/hub))
model = $(patsubst hf://%,%,$1)
hub-names := $(foreach name,base-model retriever more $(TRAIN) $(EVAL),$(if \
  $(filter hf://%,$(call from,$(name))),$(name)))
receipt = $(CACHE)/fetched/$(PIPELINE)/$1
received = $(filter /%,$(file <$(call receipt,$1)))
stale = $(call differ,$(call from,$1),$(filter hf://%,$(file <$(call receipt,$1)))) \
  $(filter-out $(filter $(HUB)/%,$(wildcard $(call received,$1))),$(call received,$1))
ifneq ($(hub-names),)
$(foreach name,$(hub-names),$(call receipt,$(name))) &: $(if $(strip \
    $(foreach name,$(hub-names),$(call stale,$(name)))),FORCE) | .build/packages
	@echo '=== 3/8 fetch from the Hugging Face hub ==='
	@pipelines/tools/pypi.sh '$(PYPI)' huggingface_hub
	@'$(PYPI)/huggingface_hub/bin/python' pipelines/tools/hub.py '$(call receipt,)' $(foreach \
	  name,$(hub-names),$(patsubst %,'$(name)=%',$(call from,$(name))))
endif

# Texts that are not there, and that nothing fetches.
missing := $(sort $(filter-out $(AUSTEN) $(STDLIB) hf://%,$(foreach name,$(TRAIN) $(EVAL),$(if \
  $(wildcard $(call from,$(name))),,$(call from,$(name))))))
ifneq ($(missing),)
$(missing):
	@echo 'no text $(@F) in $(@D): TEXT=folder says where the texts of $(PIPELINE) are' >&2; exit 1
endif

# What stages depend on: receipts, or the files themselves.
input = $(if $(filter $1,$(hub-names)),$(call receipt,$1),$(call from,$1))
BASE := $(call input,base-model)
ENCODER := $(if $(filter retriever,$(hub-names)),$(call receipt,retriever),$(firstword \
  $(wildcard $(RETRIEVER)/pytorch_model.bin) $(RETRIEVER)/model.safetensors))
RAW := $(sort $(foreach name,$(TRAIN) $(EVAL) $(if $(FETCH),more),$(call input,$(name))))

# --- Stages ----------------------------------------------------------------------------------

R := runs/$(PIPELINE)
STAGE := @exec pipelines/tools/stage.sh
COMMON := $(if $(THREADS),--threads $(THREADS))

# A stage's stamp holds its tool's word of $(BUILT) and its options. It is rewritten only when that
# text changes, so an output depends on exactly the parameters that stand on its command line.
#   $(eval $(call stamp,NAME,TOOL)), with the options in NAME.options and what else matters in NAME.beside
define stamp
$1.stamp := $(R)/stamps/$1
$1.content := $$(strip $$(or $$(filter $2/%,$$(file <$(BUILT))),$2) $$($1.options) $$($1.beside))
$(R)/stamps/$1: $$(call changed,$(R)/stamps/$1,$$($1.content))
	@mkdir -p $$(@D) && printf '%s\n' '$$(subst ','\'',$$($1.content))' >$$@
endef

# Chunks, a shard per text. Rows of Parquet come through a pipe.
chunk.common = --tokenizer $(call model,$(BASE_MODEL)) --chunk-tokens $(CHUNK_TOKENS)
chunk.documents = --segment-tokens $(SEGMENT_TOKENS) --pack $(PACK)
chunk-TRAIN.options = $(chunk.common) $(chunk.documents) --max-tokens $(TRAIN_TOKENS)
chunk-EVAL.options = $(chunk.common) $(or $(EVAL_WINDOWS),$(chunk.documents)) \
  --max-tokens $(EVAL_TOKENS)

train.chunks := $(TRAIN:%=$(R)/chunks/%.mls)
eval.chunks := $(EVAL:%=$(R)/chunks/%.mls)
is-parquet = $(findstring .parquet,$(call from,$1))
files = $(if $(filter $1,$(hub-names)),$$$$(grep -o '^/[^ ]*' $(call receipt,$1)),$(call from,$1))
rows = $(if $(is-parquet),pipelines/tools/parquet.sh '$(PYPI)' '$(or $($1.rows),all)' $(files) --)
# $(eval $(call chunk,SET,NAME))
define chunk
chunk-$2.options = $(chunk-$1.options) $($2.options)
chunk-$2.beside = $(call from,$2) $($2.rows)
$(call stamp,chunk-$2,ml-chunk)
$(R)/chunks/$2.mls: $(call input,$2) $(BASE) $(if $(FETCH),$(call input,more)) $(R)/stamps/chunk-$2
	$(STAGE) '4/8 chunk $2' $$@ $$(@:.mls=.log) $(RUN) $(call rows,$2) $(BIN)/ml-chunk \
	  $$(chunk-$2.options) $(COMMON) -o $$@ $(if $(call is-parquet,$2),-,$(call files,$2))
endef
$(foreach set,TRAIN EVAL,$(foreach name,$($(set)),$(eval $(call chunk,$(set),$(name)))))

# Embeddings, a shard per text and query protocol. A window's blocks are its segments.
embed-TRAIN.blocks = --query-tokens $(QUERY_TOKENS) --block-tokens $(BLOCK_TOKENS)
embed-EVAL.blocks = $(if $(EVAL_WINDOWS),$(EVAL_QUERY_TOKENS:%=--query-tokens %),$(embed-TRAIN.blocks))

# $(call embeddings,TEXTS,QUERY)
embeddings = $(patsubst %,$(R)/embeddings/%.$2.mls,$1)
# $(eval $(call embed,SET,QUERY))
define embed
embed-$1-$2.options = --model $(call model,$(RETRIEVER)) $(embed-$1.blocks) --query $2
$(call stamp,embed-$1-$2,ml-embed)
$(call embeddings,$($1),$2): $(R)/embeddings/%.$2.mls: $(R)/chunks/%.mls $(ENCODER) \
    $(R)/stamps/embed-$1-$2
	$(STAGE) '5/8 embed $$*, query $2' $$@ $$(@:.mls=.log) $(RUN) $(BIN)/ml-embed \
	  $$(embed-$1-$2.options) $(COMMON) -o $$@ $$<
endef
$(eval $(call embed,TRAIN,$(TRAIN_QUERY)))
$(foreach query,previous current,$(eval $(call embed,EVAL,$(query))))

# Lists of plans, systems and baselines are of words NAME+option=value+…: a name, and options beside
# those that the name stands for. A word's name, its options, and itself as the name of a file:
name = $(firstword $(subst +, ,$1))
more = $(subst =, ,$(addprefix --,$(wordlist 2,99,$(subst +, ,$1))))
as-file = $(subst =,-,$(subst :,-,$1))

# Plans: one for the training, and for each set of texts those that are evaluated there. The controls
# (recent, random) differ from `previous` in what they select and in nothing else. An oracle, which
# searches with the system that it is for, starts from `previous`; its option `every` is its own.
oracles = $(filter oracle oracle+%,$1)
every = $(filter every=%,$(subst +, ,$1))
searched = $(subst oracle,previous,$(if $(every),$(subst +$(every),,$1),$1))
# $(call plans,SET), $(call queries,SET)
plans = $(sort $(filter-out off,$(foreach word,$(notdir $(evaluated)),$(if \
  $(call oracles,$(word)),$(call searched,$(word)),$(word)))))
queries = $(sort $(foreach word,$(plans),$(call query,$(word))))
query = $(or $(filter current,$(call name,$1)),previous)
every-plan := $(sort $(foreach set,$(EVAL_SETS),$(call plans,$(set))))
# $(call option,OPTION,VARIABLE): the option with the variable's value, where it has one.
option = $(if $($2),--$1 $($2))
index.common = $(call option,layout,LAYOUT) --top-k $(TOP_K) --memory-tokens $(MEMORY_TOKENS) \
  --eviction $(EVICTION) --reset $(RESET) --select
index-train.options = $(index.common) nearest $(TRAIN_PLAN)
$(foreach word,$(every-plan),$(eval index-$(call as-file,$(word)).options = $$(index.common) \
  $(or $(filter recent random,$(call name,$(word))),nearest) $(call more,$(word))))
$(foreach word,train $(every-plan),$(eval $(call stamp,index-$(call as-file,$(word)),ml-index)))
$(eval $(call stamp,stat,ml-index))

# $(eval $(call plan,FILE,TEXTS,QUERY,STAMP)), and its description for the report where it retrieves.
described :=
define plan
$(R)/plans/$1.mls: $(call embeddings,$2,$3) $(index-$4.stamp)
	$(STAGE) '6/8 index $1' $$@ $$(@:.mls=.log) $(RUN) $(BIN)/ml-index $$(index-$4.options) \
	  $(COMMON) -o $$@ $(call embeddings,$2,$3)
$(R)/plans/$1.json: $(R)/plans/$1.mls $(stat.stamp)
	$(STAGE) '6/8 describe $1' $$@ $(R)/plans/$1.stat.log $(RUN) $(BIN)/ml-index stat --json \
	  $(addprefix --embeddings ,$(call embeddings,$2,$3)) $(COMMON) -o $$@ $$<
$(if $(filter recent random,$(call name,$4)),,described += $(R)/plans/$1.json)
endef
$(eval $(call plan,train,$(TRAIN),$(TRAIN_QUERY),train))
$(foreach set,$(EVAL_SETS),$(foreach word,$(call plans,$(set)),$(eval \
  $(call plan,$(set).$(call as-file,$(word)),$(EVAL.$(set)),$(call query,$(word)),$(call as-file,$(word))))))

# Training: stage 1 warms up all layers, stage 2 trains the layers above the memory layer.
memory.common = $(call option,layout,LAYOUT) $(call option,memory-layer,MEMORY_LAYER) \
  $(call option,positions,POSITIONS)
train.common = --model $(call model,$(BASE_MODEL)) $(memory.common) --lora-rank $(LORA_RANK) \
  --lora-alpha $(LORA_ALPHA)
train-1.options = --stage 1 $(train.common) --learning-rate $(STAGE1_RATE) $(STAGE1_OPTIONS)
train-2.options = --stage 2 $(train.common) --learning-rate $(STAGE2_RATE) \
  $(call option,retrieval-layers,RETRIEVAL_LAYERS) $(STAGE2_OPTIONS)
$(foreach stage,$(STAGES),$(eval $(call stamp,train-$(stage),ml-train)))

adapter = $(R)/stage$1/adapter
adapter.file = $(call adapter,$1)/adapter_model.safetensors
log = $(R)/stage$1/stage$1.jsonl
train.inputs := $(R)/plans/train.mls $(train.chunks)

# A stopped stage goes on from its last checkpoint, unless something that it depends on has changed: then
# ml-train sets the checkpoints aside. Those of a stage that is done go.
# $(call train,STAGE,OPTIONS)
checkpoints = $(call adapter,$1).checkpoints
define train
	$(STAGE) '7/8 train, stage $1' $@ $(call adapter,$1).log $(RUN) $(MPIRUN) $(BIN)/ml-train \
	  $(train-$1.options) $(COMMON) -v $2 --plan $(R)/plans/train.mls -o $(call adapter,$1) \
	  --resume --set-aside $(if $(CHECKPOINT_EVERY),--checkpoint-every $(CHECKPOINT_EVERY)) --log $(call log,$1) \
	  $(train.chunks)
	@rm -rf $(call checkpoints,$1)
endef
$(call adapter.file,1): $(train.inputs) $(BASE) $(train-1.stamp)
	$(call train,1)
$(call adapter.file,2): $(train.inputs) $(if $(filter 1,$(STAGES)),$(call adapter.file,1)) $(BASE) \
    $(train-2.stamp)
	$(call train,2,$(if $(filter 1,$(STAGES)),--adapter $(call adapter,1)))
adapters := $(foreach stage,$(STAGES),$(call adapter.file,$(stage)))

# Evaluation: SYSTEM/MEMORY on each set of texts. What the memory looks like stands in the trained
# adapter's config.json; the base is told, where it has one.
system.off.base = --model $(call model,$(BASE_MODEL)) $(call option,layout,LAYOUT)
system.base = --model $(call model,$(BASE_MODEL)) $(memory.common) \
  $(call option,retrieval-layers,RETRIEVAL_LAYERS)
system.trained = --model $(call model,$(BASE_MODEL)) --adapter $(call adapter,2)
system.off.trained = $(system.trained)
system.inputs = $(BASE) $(if $(filter trained,$(call name,$1)),$(call adapter.file,2))

# A system's options and their stamp, with memory and without.
protocol = --protocol $(if $(EVAL_WINDOWS),window,stream)
define system
lm-$(call as-file,$1).options = $$(protocol) $$(system.$(call name,$1)) $(call more,$1)
lm-off-$(call as-file,$1).options = $$(protocol) $$(system.off.$(call name,$1)) $(call more,$1)
$(foreach kind,lm lm-off,$(call stamp,$(kind)-$(call as-file,$1),ml-eval)
)
endef
systems := $(sort $(patsubst %/,%,$(dir $(foreach set,$(EVAL_SETS),$(call evaluated,$(set))))))
$(foreach word,$(systems),$(eval $(call system,$(word))))

results :=
# $(eval $(call evaluate,SET,SYSTEM,MEMORY,STAMP,PLAN or nothing))
define evaluate
results += $(R)/eval/$1/$(call as-file,$2.$3).json
$(R)/eval/$1/$(call as-file,$2.$3).json: $(EVAL.$1:%=$(R)/chunks/%.mls) $5 $(call system.inputs,$2) \
    $($4.stamp)
	$(STAGE) '8/8 evaluate $2, memory $3, on $1' $$@ $$(@:.json=.log) $(RUN) $(BIN)/ml-eval lm \
	  $$($4.options) --data-set $1 $(COMMON) $(if $5,--plan $5) --scores $$(@:.json=.mls) \
	  -o $$@ $(EVAL.$1:%=$(R)/chunks/%.mls)
endef
plan-file = $(R)/plans/$1.$(call as-file,$(if $(call oracles,$3),$2.)$3).mls
evaluate.with = $(call evaluate,$1,$2,$3,$(if $(filter off,$3),lm-off,lm)-$(call as-file,$2),$(if \
  $(filter-out off,$3),$(call plan-file,$1,$2,$3)))
$(foreach set,$(EVAL_SETS),$(foreach word,$(call evaluated,$(set)),$(eval \
  $(call evaluate.with,$(set),$(patsubst %/,%,$(dir $(word))),$(notdir $(word))))))

# $(eval $(call oracle,SET,SYSTEM,MEMORY,NAME,PLAN))
define oracle
$4.options = $$(system.$(call name,$2)) $(call more,$2) $(call more,oracle+$(call every,$3))
$(call stamp,$4,ml-eval)
$(call plan-file,$1,$2,$3): $(EVAL.$1:%=$(R)/chunks/%.mls) $5 $(call system.inputs,$2) $$($4.stamp)
	$(STAGE) '8/8 search what helps $2 on $1' $$@ $$(@:.mls=.log) $(RUN) $(BIN)/ml-eval oracle \
	  $$($4.options) $(COMMON) --plan $5 -o $$@ $(EVAL.$1:%=$(R)/chunks/%.mls)
endef
oracle.with = $(call oracle,$1,$2,$3,oracle-$(call as-file,$1.$2.$3),$(call \
  plan-file,$1,,$(call searched,$3)))
$(foreach set,$(EVAL_SETS),$(foreach word,$(call evaluated,$(set)),$(if \
  $(call oracles,$(notdir $(word))),$(eval \
  $(call oracle.with,$(set),$(patsubst %/,%,$(dir $(word))),$(notdir $(word)))))))

# Tasks that plan in their own process, on each system: in-context learning and hidden numbers.
task.common = --retriever $(call model,$(RETRIEVER)) --chunk-tokens $(CHUNK_TOKENS) --top-k $(TOP_K) \
  $(call option,memory-tokens,MEMORY_TOKENS) $(call option,eviction,EVICTION)
task.icl = icl $(task.common) --data $(ICL_DATA) $(ICL_OPTIONS)
task.needle = needle $(task.common) --segment-tokens $(SEGMENT_TOKENS) $(NEEDLE_OPTIONS)
# $(eval $(call task,icl or needle,TASK,SYSTEM))
define task
$1-$(call as-file,$2.$3).options = $$(task.$1) --task $2 $$(system.$(call name,$3)) $(call more,$3)
$(call stamp,$1-$(call as-file,$2.$3),ml-eval)
results += $(R)/eval/$1/$(call as-file,$2.$3).json
$(R)/eval/$1/$(call as-file,$2.$3).json: $(call system.inputs,$3) $(ENCODER) \
    $(if $(filter icl,$1),$(wildcard $(ICL_DATA)/* $(ICL_DATA)/*/*)) $(R)/stamps/$1-$(call as-file,$2.$3)
	$(STAGE) '8/8 $1, $2 with $3' $$@ $$(@:.json=.log) $(RUN) $(BIN)/ml-eval \
	  $$($1-$(call as-file,$2.$3).options) $(COMMON) -o $$@
endef
$(foreach word,$(ICL),$(eval $(call task,icl,$(patsubst %/,%,$(dir $(word))),$(notdir $(word)))))
$(foreach word,$(NEEDLE),$(eval $(call task,needle,$(patsubst %/,%,$(dir $(word))),$(notdir $(word)))))

logs := $(foreach stage,$(STAGES),$(call log,$(stage)))
report.options = --title $(PIPELINE) --command 'make$(if $(filter-out demo,$(PIPELINE)), \
  PIPELINE=$(PIPELINE))' $(results) $(described)
report.beside = $(logs)
$(eval $(call stamp,report,ml-eval))
REPORT := $(R)/eval/report.md
$(REPORT): $(results) $(described) $(adapters) $(report.stamp)
	@for log in $(logs); do [ -e $$log ] || echo "no $$log: the report does without" >&2; done
	$(STAGE) '8/8 report' $@ $(@:.md=.log) $(RUN) $(BIN)/ml-eval report --html $(@:.md=.html) \
	  --harness $(@D)/harness -o $@ $(report.options) $$(ls $(logs) 2>/dev/null)
	@sed '/^## Systems/,$$d' $@
	@echo 'The report, with figures: $(@:.md=.html)'
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
# A clone of https://github.com/Bui1dMySea/MemLong, the published code; empty: it is absent.
BENCH_PUBLISHED ?=

# --- What you type ---------------------------------------------------------------------------

.PHONY: all build fetch pipeline test bench check format results help clean FORCE

# The pipeline is a second make, because the stamps read the versions of tools that are built here. One at
# a time; it takes the shell's place, so that a signal to the first make reaches it.
mode = $(firstword -$(MAKEFLAGS))
all: build fetch ## build, fetch, run the pipeline, print its report
	@$(if $(findstring n,$(mode))$(findstring q,$(mode))$(findstring t,$(mode)),,. pipelines/tools/alone.sh $(R);) \
	if $(MAKE) -q pipeline >/dev/null 2>&1; then echo 'Nothing to do: $(REPORT) is up to date.'; \
	else exec $(MAKE) --no-print-directory pipeline; fi

build: $(BUILT) ## install what is missing, build the tools
fetch: $(BASE) $(ENCODER) $(RAW) ## fetch the pipeline's models and text into the cache
# In the order of the stages, so that one job runs them so.
pipeline: $(train.chunks) $(eval.chunks) $(call embeddings,$(TRAIN),$(TRAIN_QUERY)) \
  $(foreach set,$(EVAL_SETS),$(foreach query,$(call queries,$(set)),$(call \
    embeddings,$(EVAL.$(set)),$(query)))) $(R)/plans/train.mls \
  $(foreach set,$(EVAL_SETS),$(foreach word,$(call plans,$(set)),$(call plan-file,$(set),,$(word)))) \
  $(adapters) $(REPORT)

test: build $(SMOLLM2) $(MINILM) ## every test: the tools' cases, PEFT where it is installed, the modules
	Tests/cli/run.sh
	python3 Tests/interop/adapters.py $(BIN)
	swift test $(SWIFT_FLAGS) --disable-swift-testing $(if $(FILTER),--filter $(FILTER))

bench: build $(SMOLLM2) $(MINILM) $(AUSTEN) ## measure every tool beside its peers (BENCH=quick: less)
	@env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python3 pipelines/bench/bench.py --mode '$(BENCH)' \
	  --bin $(BIN) --model $(SMOLLM2) --retriever $(dir $(MINILM)) --text '$(BENCH_TEXT)' \
	  --work runs/bench --venv '$(or $(BENCH_VENV),$(CACHE)/bench)' $(if $(BENCH_VENV),--reuse) \
	  --peers '$(BENCH_PEERS)' --published '$(BENCH_PUBLISHED)' --only '$(BENCH_ONLY)' $(COMMON)

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
	@echo 'of bench: BENCH BENCH_ONLY BENCH_TEXT BENCH_VENV BENCH_PEERS BENCH_PUBLISHED'
