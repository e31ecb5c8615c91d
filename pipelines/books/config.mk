# books: does retrieval help? SmolLM2-135M learns to read a memory of the book at hand from sixteen novels, and is
# asked on other texts what retrieved chunks bring beside recent and random ones, and beside other ways to
# read a long text.
#
#   make PIPELINE=books TEXT=folder TRAITS=OneDNN COMPUTE=bf16          80 minutes on 2 cores with avx512_bf16
#   make PIPELINE=books TEXT=folder                                     with AVX-512 about twice that
#
# The folder holds one JSON-lines file a book, NUMBER-title.jsonl, with its field `text`: Project Gutenberg's
# numbers, without header, footer and credits, lines as they are; public domain in the USA. And proof-pile.jsonl
# and wikitext.jsonl, a document a line, in the shape of hoskinson-center/proof-pile and wikitext-103.

TRAIN := 583-the-woman-in-white 507-adam-bede 155-the-moonstone 4276-north-and-south 432-the-ambassadors \
  217-sons-and-lovers 345-dracula 3409-barchester-towers 1400-great-expectations 1260-jane-eyre 543-main-street \
  4240-women-in-love 1245-night-and-day 514-little-women 9182-villette 145-middlemarch
EVAL_SETS := pg19 bookcorpus proof-pile wikitext
EVAL.pg19 := 120-treasure-island 245-life-on-the-mississippi-complete 944-the-voyage-of-the-beagle \
  5658-lord-jim 122-return-of-the-native 541-the-age-of-innocence
EVAL.bookcorpus := 969-the-tenant-of-wildfell-hall 1259-twenty-years-after
EVAL.proof-pile := proof-pile
EVAL.wikitext := wikitext
TEXT ?= $(CACHE)/text/books

BASE_MODEL := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
RETRIEVER := $(CACHE)/models/minilm

# Long enough that most of what a block retrieves lies far before it.
TRAIN_TOKENS := 32768
EVAL_TOKENS := 65536
# Where every system is asked, and two sets of other kinds of text.
$(foreach text,$(EVAL.bookcorpus),$(eval $(text).options := --max-tokens 16384))
$(foreach text,proof-pile wikitext,$(eval $(text).options := --max-tokens 32768))

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
# book's chunks the retriever picks far ones that sound alike and help less (FINDINGS.md).
MEMORY_TOKENS := 8192
EVICTION := counter
RESET := document
# Half of what is read in training is the text just before, so that adapters learn to read both; the rest is
# chosen from all of the text.
TRAIN_PLAN := --recent 4 --memory-tokens 65536

# The published layout but for the source: segments are read alone.
LAYOUT := published
# The published depths of 30 layers. Each retrieval layer reads keys and values of its own: with those of one
# layer for all, any chunk of the book helps as much as the retrieved one.
MEMORY_LAYER := 15
RETRIEVAL_LAYERS := 15,19,23,27
POSITIONS := zero

STAGES := 2
LORA_RANK := 32
LORA_ALPHA := 32
STAGE2_RATE := 5e-4
COMPUTE ?= f32
STAGE2_OPTIONS := --memory-source own --accumulation 1 --schedule cosine --warmup-steps 10 --lora-dropout 0 \
  --compute $(COMPUTE)
CHECKPOINT_EVERY := 100

# Read in segments of 1024 tokens, with the newest four chunks beside what is selected: what `recent` brings is
# the eight newest.
segments := trained+compute=$(COMPUTE)
newest := +recent=4
EVALUATE := $(call each,$(segments),off recent$(newest) random$(newest)+seed=1 previous$(newest))

# Besides, on bookcorpus: what the text itself would retrieve, and the chunks that help most in every
# eighth segment; a local context of 2048 tokens that slides (four sinks, without which that fails), where memory
# begins behind it, so that no plan brings text that is there already; and the base model, which has
# learnt no memory, with other ways to reach back: its window read anew, all of the text, and that with the
# embedding of positions stretched to twice the model's 8192.
slides := +context=2052+sinks=4
base := base+compute=$(COMPUTE)
EVALUATE.bookcorpus := $(EVALUATE) $(call each,$(segments),current$(newest) oracle$(newest)+every=8) \
  $(call each,$(segments)$(slides),off recent+context=2048+memory-tokens=65536 \
    previous+context=2048+memory-tokens=65536) \
  $(call each,$(base),off previous$(newest)) \
  $(call each,$(base)$(slides) $(base)+context=2048+context-mode=reread $(base)+context=full \
    $(addprefix $(base)+context=full+rope-scaling=,linear:2 dynamic:2 yarn:2),off)

# Five tasks of sentences, four demonstrations in the context and twenty in memory; and five digits hidden in up
# to 16384 tokens. Folders of icl/ as their authors share them: SST-2, mr, sst-5, subj, mpqa.
ICL := $(call each,sst-2 mr sst-5 subj mpqa,$(segments))
ICL_DATA := $(TEXT)/icl
ICL_OPTIONS := --shots 0,4 --memory-shots 0,20 --limit 30
NEEDLE := passkey/$(segments)
NEEDLE_OPTIONS := --lengths 1024,4096,16384
