# tiny: the whole pipeline in a minute or two, on some hundred tokens of two novels. For trying a change;
# its numbers mean nothing.
#
#   make PIPELINE=tiny

include pipelines/demo/config.mk

# One novel each, three short segments.
TRAIN := emma
EVAL_SETS := tiny
EVAL.tiny := persuasion
TRAIN_TOKENS := 768
EVAL_TOKENS := 768
persuasion.options :=

# Short chunks and segments, so that a few hundred tokens fill a memory.
CHUNK_TOKENS := 32
SEGMENT_TOKENS := 256
QUERY_TOKENS := 64
BLOCK_TOKENS := 128

# Eight chunks of capacity: the second segment evicts.
TOP_K := 2
MEMORY_TOKENS := 256

EVALUATE := $(call each,base trained,off recent random previous current)
NEEDLE :=
