# demo: what does a memory bring to SmolLM2-135M? Source code, whose far past matters, and a novel; and a number
# hidden in a text, found and read out.
#
#   make                      12 minutes on 2 otherwise idle cores with AVX2, building included
#   make results              records the report in pipelines/demo/RESULTS
#
# Time, on 2 cores with AVX2 kernels (with AVX-512 it is about half):
#   evaluation  6 modules x 4096 tokens x 4 systems + 2 novels x 3072 x 3 = 116736 tokens, 350 tokens/s: 335 s
#   training    3 texts x 3072 tokens = 9216 a stage; 142 tokens/s in stage 1, 203 in stage 2: 110 s
#   the rest    build 160 s, fetch 20 s, retriever 25 s, hidden numbers 50 s

# Text: modules and packages of Python's standard library, as Debian ships it, and Jane Austen. One text a
# shard, so the memory never crosses from one to another. Choices were made on other texts (difflib, turtle).
CODE := mailbox pdb pickletools statistics tarfile doctest
NOVELS := persuasion northanger-abbey
TEXT := $(CACHE)/text/austen
TRAIN := emma http xml
EVAL_SETS := code novels
EVAL.code := $(CODE)
EVAL.novels := $(NOVELS)
$(foreach name,$(CODE) $(filter-out emma,$(TRAIN)),$(eval \
  $(name).from := $(CACHE)/text/stdlib/$(name).jsonl))

# Models: the smallest decoder that writes English, and the most used small retriever.
BASE_MODEL := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
RETRIEVER := $(CACHE)/models/minilm

# Tokens of each text: multiples of a segment. See the arithmetic above.
TRAIN_TOKENS := 3072
EVAL_TOKENS := 4096
$(foreach name,$(NOVELS),$(eval $(name).options := --max-tokens 3072))

# Chunks of 64: half the published ones; a finer choice brings more on code.
CHUNK_TOKENS := 64
# Segments of 512 beside a context of 1024: half the usual, so that memory matters within a short text.
SEGMENT_TOKENS := 512
# No chunk crosses from one document to the next.
PACK := document

# The query is the text before the block (causal), and a block is a chunk: what is needed changes on the way.
TRAIN_QUERY := previous
QUERY_TOKENS := 128
BLOCK_TOKENS := 64

# Eight chunks are retrieved: 8 x 64 = 512 memory tokens.
TOP_K := 8
# More than these texts have: nothing is evicted.
MEMORY_TOKENS := 32768
EVICTION := counter
RESET := document

# Layouts are the tools' own: all layers read memory where nothing is trained, those from the middle up in
# training.

# Rank 32: 576 hidden units need less than the published 64 of 3200.
LORA_RANK := 32
LORA_ALPHA := 32
# 18 segments a stage are few: every one is a step, at rates as high as small adapters bear. The published
# logarithmic warm-up (1000 steps, two of them at rate 0) suits long runs; here four steps warm up, then half
# a cosine.
STAGE1_RATE := 5e-4
STAGE2_RATE := 5e-4
STAGE1_OPTIONS := --accumulation 1 --schedule cosine --warmup-steps 4 --lora-dropout 0
STAGE2_OPTIONS := --accumulation 1 --schedule cosine --warmup-steps 4 --lora-dropout 0

# Memory off, retrieved chunks, and what costs as much as these without a retriever: a context longer by 512
# tokens (1024, 512 more, 4 sinks). Of code also the trained model, which has read it in both stages.
longer := base+context=1540+sinks=4/off
EVALUATE := base/off $(longer) base/previous
EVALUATE.code := $(EVALUATE) trained/previous

# Two numbers of five digits, each hidden in two places of 4096 tokens of a filler.
NEEDLE := passkey/base
NEEDLE_OPTIONS := --lengths 4096 --depths 10,50 --trials 2
