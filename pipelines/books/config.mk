# books: does retrieval help? SmolLM2-135M learns to read a memory of the book at hand from ten novels, and is
# asked on other books what retrieved chunks bring beside recent and random ones.
#
#   make PIPELINE=books TEXT=folder                 about two hours on 2 cores with AVX-512
#   make PIPELINE=books TEXT=folder TRAITS=OneDNN COMPUTE=bf16          less, with avx512_bf16
#
# Time: training 10 x 32768 tokens, 250 tokens/s: 22 minutes. Evaluation 3 x 65536 and 3 x 16384 tokens, 500
# tokens/s and 350 with a local context of 2048: 7 and 9 minutes each on `long`, 2 on `short`.
#
# The folder holds one JSON-lines file a book, NUMBER-title.jsonl, with its field `text`: Project Gutenberg's
# numbers, without header, footer and credits, lines as they are. Public domain in the USA.

TRAIN := 583-the-woman-in-white 507-adam-bede 155-the-moonstone 4276-north-and-south 432-the-ambassadors \
  217-sons-and-lovers 345-dracula 3409-barchester-towers 1400-great-expectations 1260-jane-eyre
EVAL_SETS := long short
EVAL.long := 5658-lord-jim 122-return-of-the-native 541-the-age-of-innocence
EVAL.short := 120-treasure-island 245-life-on-the-mississippi-complete 944-the-voyage-of-the-beagle
TEXT ?= $(CACHE)/text/books

BASE_MODEL := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
RETRIEVER := $(CACHE)/models/minilm

# Long enough that most of what a block retrieves lies far before it.
TRAIN_TOKENS := 32768
EVAL_TOKENS := 65536
# More places of other books in the first 16384 positions, which decide most of the comparison there.
$(foreach text,$(EVAL.short),$(eval $(text).options := --max-tokens 16384))

# As published.
CHUNK_TOKENS := 128
SEGMENT_TOKENS := 1024
PACK := document

# Causal, in training too; the text of one chunk, and anew for every chunk: what a segment of 1024
# tokens needs changes on the way.
TRAIN_QUERY := previous
QUERY_TOKENS := 128
BLOCK_TOKENS := 128
TOP_K := 8
# A quarter of the published memory: 64 chunks, of which those that were retrieved least go. Of a whole
# book's chunks the retriever picks far ones that sound alike and help less (RESULTS).
MEMORY_TOKENS := 8192
EVICTION := counter
RESET := document
# Half of what is read in training is the text just before, so that adapters learn to read both; the rest is
# chosen from all of the text.
TRAIN_PLAN := --recent 4 --memory-tokens 65536

# The published depths of 30 layers. Each retrieval layer reads keys and values of its own: with those of one
# layer for all, any chunk of the book helps as much as the retrieved one.
MEMORY_LAYER := 15
RETRIEVAL_LAYERS := 15,19,23,27
POSITIONS := zero

STAGES := 2
LORA_RANK := 32
LORA_ALPHA := 32
STAGE2_RATE := 5e-4
STAGE2_OPTIONS := --memory-source own --accumulation 1 --schedule cosine --warmup-steps 10 --lora-dropout 0

# Read in segments of 1024 tokens, with the newest four chunks beside what is selected: what `recent` brings is
# the eight newest. And with a local context of 2048 tokens that slides (four sinks, without which that fails),
# where memory begins behind it, so that no plan brings text that is there already.
COMPUTE ?= f32
segments := trained+compute=$(COMPUTE)
slides := $(segments)+context=2052+sinks=4
newest := +recent=4
whole := +memory-tokens=65536
EVALUATE := $(call each,$(segments),off recent$(newest) random$(newest)+seed=1 previous$(newest) \
    random$(newest)+seed=1$(whole) previous$(newest)$(whole)) \
  $(call each,$(slides),off recent+context=2048$(whole) previous+context=2048$(whole))
