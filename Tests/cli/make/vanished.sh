# A stage that ends with 0 and has made nothing has failed: its old target neither serves the stages after it nor the
# next make.
. "$ROOT/Tests/cli/make/workplace"
run "first make"
cat >bin/node-dies <<'RUN'
#!/usr/bin/env bash
case $* in *"ml-index --"*) exit 0 ;; esac
exec "$@"
RUN
chmod +x bin/node-dies
run "the node dies" TOP_K=4 RUN=node-dies 2>/dev/null
grep -h '^failed' make.out
grep -c top-k.8 runs/demo/plans/train.mls
run "next make" TOP_K=4
grep -c top-k.4 runs/demo/plans/train.mls
