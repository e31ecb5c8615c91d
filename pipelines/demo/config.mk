# demo: SmolLM2-135M learns to read a memory of Jane Austen; three novels to train, three to evaluate.
#
#   make                      about 17 minutes on 2 otherwise idle cores, building included
#   make results              records the report in pipelines/demo/RESULTS
#
# Time, on 2 cores with AVX2 kernels (with AVX-512 it is about half):
#   evaluation  3 novels x 8192 tokens = 24576 a run, 640 tokens/s; 10 runs take 380 s
#   training    3 novels x 20480 tokens = 61440 a stage; 280 tokens/s in stage 1, 390 in stage 2, 380 s
#   the rest    build 120 s, fetch 20 s, retriever (3 x 20480 + 2 x 3 x 8192) / 128 = 864 chunks, 30 s

# Text: one novel a shard, so the memory never crosses from one book to another.
TEXT := $(CACHE)/text/austen
TRAIN := emma mansfield-park sense-and-sensibility
EVAL := pride-and-prejudice persuasion northanger-abbey

# Models: the smallest decoder that writes English, and the most used small retriever.
BASE_MODEL := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
RETRIEVER := $(CACHE)/models/minilm

# Tokens of each novel: multiples of a segment. See the arithmetic above.
TRAIN_TOKENS := 20480
EVAL_TOKENS := 8192

# Chunks of 128 tokens, as published (128, 256, 512), and small enough for several topics a segment.
CHUNK_TOKENS := 128
# Segments of 1024: the published last-context; eight chunks.
SEGMENT_TOKENS := 1024
# No chunk crosses from one document to the next.
PACK := document

# The query is the text before the block (causal), of one chunk's length or two: a query longer than
# the retriever reads (256 word pieces) would be cut.
TRAIN_QUERY := previous
QUERY_TOKENS := 128
# One retrieval a segment, as published. Smaller blocks retrieve more often: 128, 256, 512.
BLOCK_TOKENS := 1024

# Eight chunks are retrieved: 8 x 128 = 1024 memory tokens, as many as local ones.
TOP_K := 8
# 32768 tokens are 256 chunks: more than a demo's novel has, so nothing is evicted here.
MEMORY_TOKENS := 32768
EVICTION := counter
RESET := document

# The published layers are 13 and 13,17,21,25 of 26; the same depths of 30.
MEMORY_LAYER := 15
RETRIEVAL_LAYERS := 15,19,23,27
# Memory keys at position 0, as published for training.
POSITIONS := zero

# Rank 32: 576 hidden units need less than the published 64 of 3200.
LORA_RANK := 32
LORA_ALPHA := 32
# 60 segments a stage are few: every one is a step, at rates as high as small adapters bear. (With
# two segments a step and 5e-4 the trained model with memory was worse than the base without.)
STAGE1_RATE := 1e-3
STAGE2_RATE := 1.5e-3
# The published logarithmic warm-up (1000 steps, two of them at rate 0) suits long runs; here four
# steps warm up, then half a cosine. Stage 1 retrieves in the four layers of stage 2: reading memory
# in all fourteen above layer 15 takes more than 60 steps to recover from.
STAGE1_OPTIONS := --accumulation 1 --schedule cosine --warmup-steps 4 --lora-dropout 0 \
  --retrieval-layers $(RETRIEVAL_LAYERS)
STAGE2_OPTIONS := --accumulation 1 --schedule cosine --warmup-steps 4 --lora-dropout 0
