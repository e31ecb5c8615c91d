# Changing one parameter reruns the stages that depend on it, and no other; a second make does nothing.
. "$ROOT/Tests/cli/make/workplace"
run "first make"
run "second make"
cat make.out

# Each change is made, then taken back: both times the dependants run.
while read -r change; do
  run "$change" "$change"
  run "$change again" "$change"
  run "back" >/dev/null
done <<'CHANGES'
EVAL_TOKENS=2048
TRAIN_TOKENS=2048
CHUNK_TOKENS=256
QUERY_TOKENS=256
TRAIN_QUERY=current
TOP_K=4
MEMORY_LAYER=13
RETRIEVAL_LAYERS=15,27
STAGE2_RATE=1e-4
STAGE2_OPTIONS=--seed 2
THREADS=1
RUN=env
CHANGES
