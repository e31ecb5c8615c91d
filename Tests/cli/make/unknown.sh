# A variable that nobody reads is refused with the name that was meant; a recipe's helpers are left alone.
. "$ROOT/Tests/cli/make/workplace"
try() { make BIN=bin -n "$@" 2>&1 >/dev/null | sed 's/^Makefile:[0-9]*: //' || true; }
try TOPK=4
try CHUNK_TOKNES=64
try MEMORY=64
try 'STAGE2_OPTION=--seed 2' LORA_RANKS=8
mkdir pipelines/own
cat >pipelines/own/config.mk <<'RECIPE'
include pipelines/demo/config.mk
TOPK := 4
RECIPE
try PIPELINE=own
cat >pipelines/own/config.mk <<'RECIPE'
include pipelines/demo/config.mk
EVAL_WINDOW := 8
windows = --window $(EVAL_WINDOW)
NOTES := nothing reads this
emma.options := --max-tokens 8
export HOLIDAY := yes
RECIPE
try PIPELINE=own && echo "helpers"
for change in TOP_K=4 EVAL_WINDOW=9 emma.rows=3 EVAL.code=pdb HF_ENDPOINT=there 'STAGE2_OPTIONS=--seed 2' FILTER=x; do
  try PIPELINE=own "$change"
done
make TOP_K=4 help | sed -n 1p
