# A recipe declares what is evaluated by lists: sets of texts, systems and plans with options, what one set
# is asked, tasks; a value reruns what it stands in, and no more.
. "$ROOT/Tests/cli/make/workplace"
mkdir -p pipelines/sets icl
touch icl/train.csv icl/test.csv
cat >pipelines/sets/config.mk <<'RECIPE'
TEXT := $(CACHE)/text/austen
TRAIN := emma
EVAL_SETS := late early
EVAL.late := persuasion mansfield-park
EVAL.early := northanger-abbey
WIDE := 16
EVALUATE := $(call each,base trained,off previous) base+memory-source=own/previous+top-k=$(WIDE) \
  base+context=2048+rope-scaling=linear:4/off
EVALUATE.early := trained/oracle+every=4+top-k=2 base+context=2048+rope-scaling=linear:4/off
ICL := $(call each,mr,base trained)
ICL_DATA := icl
ICL_OPTIONS := --limit 9
NEEDLE := passkey/base+off
BASE_MODEL := $(CACHE)/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
RETRIEVER := $(CACHE)/models/minilm
TRAIN_QUERY := previous
MEMORY_TOKENS := 4096
EVICTION := fifo
RECIPE
export PIPELINE=sets
run "first make"
run "second make"
ls runs/sets/plans/*.mls runs/sets/eval/*/*.json
for result in late/base+memory-source-own.previous+top-k-16 early/base+context-2048+rope-scaling-linear-4.off early/trained.oracle+every-4+top-k-2 icl/mr.base needle/passkey.base+off; do
  grep -o 'ml-eval [a-z].*' "runs/sets/eval/$result.json" | sed "s|$PWD/||g; s/  */ /g"
done
grep -o 'ml-eval [a-z].*' runs/sets/plans/early.trained.oracle*.mls | sed "s|$PWD/||g; s/  */ /g"
while read -r change; do run "$change" "$change"; done <<'CHANGES'
WIDE=4
ICL_OPTIONS=--limit 8
NEEDLE_OPTIONS=--trials 2
NEEDLE=
CHANGES
