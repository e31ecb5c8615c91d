# memlong-3b: the published run. OpenLLaMA-3B v2 learns to read a memory of 32768 tokens from half a billion
# tokens of SlimPajama; then windows of PG19, proof-pile and WikiText-103 are scored.
#
#   make fetch PIPELINE=memlong-3b            about 13 GB, into the cache of all Hugging Face clients
#   make -n PIPELINE=memlong-3b               what would be done
#   make PIPELINE=memlong-3b RUN='srun ...' CHECKPOINT_EVERY=100
#   make PIPELINE=memlong-3b TRAIN_TOKENS=5000000 EVAL_TOKENS=500000      a hundredth of it
#
# Where the published code departs from what is described, this does what is described; each such value
# says so. Nobody here has run it whole: it is for a large machine. `memlong-3b-tiny` is its twin.
#
# Time. On 2 cores the 3B reads 52 tokens/s and trains 34 in stage 2 (upper half), about 25 in stage 1:
#   stage 1      475,000,000 / 25 = 220 days; on 64 such cores 7 days
#   stage 2      475,000,000 / 34 = 160 days; on 64 such cores 5 days
#   evaluation   PG19's 100 books are some 10 million tokens: 10 runs / 52 = 22 days; on 64 cores 17 hours
#   retriever    keys and queries of 500,000,000 tokens each, of 0.3 billion weights: a tenth of the training
# Memory: 6.9 GB of weights, as stored, and some GB. Disk, beside what is fetched: a vector of 2 kB for each
# of 3.9 million chunks and 0.5 million queries, 9 GB.

# --- Models ----------------------------------------------------------------------------------

# Apache 2.0. The published base: 26 layers, 3200 hidden units, 32 heads, trained on 2048 tokens; half
# precision, as pytorch_model.bin (6.9 GB).
BASE_MODEL := hf://openlm-research/open_llama_3b_v2@bce5d60d3b0c68318862270ec4e794d83308d80a
# MIT. The published retriever: 1024 dimensions, reads 8192 tokens; pytorch_model.bin (2.3 GB).
RETRIEVER := hf://BAAI/bge-m3@5617a9f61b028005a4858fdac845db406aefb181
# The data's ids are Llama 2's (Llama 2 Community License); this copy of its tokenizer, the published
# choice, needs no token.
LLAMA2 := NousResearch/Llama-2-7b-chat-hf@351844e75ed0bcbbe3f10671b3c808d2b83894ee
FETCH := hf://NousResearch/Llama-2-7b-chat-hf@351844e75ed0bcbbe3f10671b3c808d2b83894ee/tokenizer.model

# --- Training data ---------------------------------------------------------------------------

# The published data: SlimPajama, long documents sampled more often, in rows of 131072 ids. We know of no
# commit to pin: the receipt in the cache says which one main was. 3 GB of its shards hold the rows below.
TRAIN := slimpajama
slimpajama.from := hf://datasets/yaofu/slimpajama-per-source-length-upsample@main/train-*.parquet:3GB
# Published: the first 500000000 / 131072 + 1 rows, ...
slimpajama.rows := 3815
# ... decoded with their special tokens, which become the base's; the last 5 % are held out, unshuffled (of
# documents; published of blocks of 1024 tokens). They are not trained on; nothing else reads them here.
slimpajama.options = --ids-tokenizer $(LLAMA2) --special-tokens parse \
  --holdout 0.05 --holdout-output $(R)/chunks/slimpajama.holdout.mls
# The source of that data, if it is still there: 59166 files of 10.6 million tokens, of which 50 do.
# make TRAIN=slimpajama-627b
slimpajama-627b.from := $(patsubst %,hf://datasets/cerebras/SlimPajama-627B@2d0accdd58c5d5511943ca1f5ff0e3eb5e293543/%, \
  train/chunk1/example_train_[0-9].jsonl.zst train/chunk1/example_train_[1-4][0-9].jsonl.zst)
slimpajama-627b.options = --holdout 0.05 --holdout-output $(R)/chunks/slimpajama-627b.holdout.mls
# Published: half a billion.
TRAIN_TOKENS := 500000000

# --- Evaluation data -------------------------------------------------------------------------

# Each by itself, as published.
EVAL_SETS := pg19 proof-pile wikitext
EVAL.pg19 := pg19
EVAL.proof-pile := proof-pile
EVAL.wikitext := wikitext
# Test splits. PG19: Apache 2.0, the books are in the public domain in the USA; 25 MB.
pg19.from := hf://datasets/emozilla/pg19@c021754c8e01c5b1cc83a1f549c1f97fbbb756b8/data/test-*.parquet
# That of each of its sources.
proof-pile.from := hf://datasets/hoskinson-center/proof-pile@490b980249446f2f3bd2df3a8cf085d0f2de240a/test/proofpile_test.jsonl.gz
# CC BY-SA 3.0 and GFDL. Published: all lines are one document; 1 MB.
wikitext.from := hf://datasets/Salesforce/wikitext@b08601e04326c79dfdd32d625aee71d232d685c3/wikitext-103-raw-v1/test-*.parquet
wikitext.options := --join all
# All of them: more than any has.
EVAL_TOKENS := 1000000000
# The published windows: side by side, of documents of 32767 tokens or more, each begun with <s>; the last
# 2048 tokens are scored, those before only fill the memory. Published lengths: 1024, 2048 ... 32768.
EVAL_WINDOW := 16384
EVAL_WINDOWS = --window $(EVAL_WINDOW) --last-context 2048 --filter-length 32767 --bos
# The query is all that is scored, as published; the retriever could read more.
EVAL_QUERY_TOKENS := 2048

# --- Chunks and memory -----------------------------------------------------------------------

# As published in the scripts (256 and 512 elsewhere).
CHUNK_TOKENS := 128
# The published length of a training sequence.
SEGMENT_TOKENS := 1024
# Published: documents are concatenated and cut.
PACK := stream
# Published: the query is the text of the segment itself, whole, once a segment.
TRAIN_QUERY := current
QUERY_TOKENS := 1024
BLOCK_TOKENS := 1024
TOP_K := 8
# 256 chunks.
MEMORY_TOKENS := 32768
# As described: what was retrieved least goes first. The published code drops the oldest half (fifo).
EVICTION := counter
# Published: the memory is never cleared, not even between documents.
RESET := never

# --- Model and training ----------------------------------------------------------------------

# As published, counted from 0: one memory layer feeds four, and segments are read alone.
LAYOUT := published
MEMORY_LAYER := 13
RETRIEVAL_LAYERS := 13,17,21,25
# As described, and in the published stage 2. (Its stage 1 sets none and gets `continual`, but without a
# memory there it makes no difference.)
POSITIONS := zero

# As published.
LORA_RANK := 64
LORA_ALPHA := 8
STAGE1_RATE := 5e-5
STAGE2_RATE := 5e-5
# As published: 8 segments a step, that is 475000000 / 1024 / 8 = 57983 steps a stage, of which 1000 warm up
# along a logarithm, then linearly to 0; gradients clipped at 1; norms are trained whole (the published
# "embed" matches no tensor); seed 42; AdamW's betas and epsilon are PyTorch's and ours (0.9, 0.999, 1e-8).
# One process, one lane: a single memory goes along the stream. No gate. Numbers are float32, those of the
# memory too (published: bfloat16).
BOTH_STAGES := --accumulation 8 --lanes 1 --schedule warmup-log --warmup-steps 1000 --clip 1 \
  --lora-dropout 0.05 --lora-targets q_proj,k_proj,v_proj,o_proj --train-also norm --seed 42
# As described: retrieval in all layers above the memory layer. (The published script names 14 to 25 too, but
# its --use_cache keeps the memory empty, so that stage 1 is plain LoRA training there.)
STAGE1_OPTIONS = $(BOTH_STAGES) --retrieval-layers 14-25 --weight-decay 0
# As published. Stage 1's adapter is merged into the base, in training as in evaluation (the published
# evaluation leaves it out).
STAGE2_OPTIONS = $(BOTH_STAGES) --weight-decay 1e-4
