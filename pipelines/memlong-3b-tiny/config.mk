# memlong-3b-tiny: memlong-3b in a minute, for trying a change. The same addresses, files, layers and
# rates; models of random weights, generated texts, a sixteenth of the training's lengths and a thirty-second
# of the windows'. Its numbers mean nothing.
#
#   Tests/hub/run.sh make PIPELINE=memlong-3b-tiny

ifeq ($(filter http://127.0.0.1:%,$(HF_ENDPOINT)),)
$(error memlong-3b-tiny fetches from a hub of its own: Tests/hub/run.sh make PIPELINE=memlong-3b-tiny)
endif
include pipelines/memlong-3b/config.mk

# Rows of 4096 ids, three of which are enough.
slimpajama.from := $(slimpajama.from:%:3GB=%:10kB)
slimpajama.rows := 3
TRAIN_TOKENS := 6000

EVAL_WINDOW := 512
EVAL_WINDOWS = --window $(EVAL_WINDOW) --last-context 64 --filter-length 1023 --bos
EVAL_QUERY_TOKENS := 64

CHUNK_TOKENS := 8
SEGMENT_TOKENS := 64
QUERY_TOKENS := 64
BLOCK_TOKENS := 64
# 256 chunks, too.
MEMORY_TOKENS := 2048
# 6000 x 0.95 / 64 / 8 = 11 steps.
BOTH_STAGES := $(BOTH_STAGES:1000=4)
