# A stage that fails leaves no output behind, is named with its log, and the next make goes on there.
. "$ROOT/Tests/cli/make/workplace"
touch fail-ml-index
run "failing ml-index"
ls runs/demo/plans
grep -h '^failed' make.out
sed 's/after [0-9]* s/after some s/' runs/demo/plans/train.log
rm fail-ml-index
run "repaired"
run "and again"
make PIPELINE=absent 2>&1 | sed 's/:[0-9]*:/:/' || true
make BIN=bin PIPELINE=books TEXT=nowhere fetch 2>&1 | sed 's/:[0-9]*:/:/' || true
