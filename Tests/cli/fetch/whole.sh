# memlong-3b-tiny: everything of memlong-3b but the sizes, from the hub to the report; then nothing to do.
# needs: ml-chunk ml-embed ml-index ml-train ml-eval ml-shard pypi:huggingface_hub pypi:duckdb-cli
cp -r "$ROOT/Makefile" "$ROOT/pipelines" .
mkdir .build
touch .build/packages
echo '-c release' >.build/flags
echo 'ml-chunk/built' >.build/built
export XDG_CACHE_HOME=$PWD/cache
run() {
  make MARCH= BUILD_INPUTS= BIN="$(dirname "$(command -v ml-chunk)")" PYPI="$PYPI" PIPELINE=memlong-3b-tiny "$@"
}
export -f run
"$ROOT/Tests/hub/run.sh" bash -eu -o pipefail -c '
  run fetch >fetch.log 2>&1 || { cat fetch.log; exit 1; }
  cat cache/memlong/fetched/memlong-3b-tiny/* | sed -n "s|.*/snapshots/[0-9a-f]*/\([^ ]*\) .*|\1|p"
  run >make.log 2>&1 || { cat make.log; exit 1; }
  run | sed "s/^Nothing to do.*/nothing to do/"
'
runs=runs/memlong-3b-tiny
for shard in $runs/chunks/*.mls $runs/embeddings/*.mls $runs/plans/train.mls; do ml-shard check $shard; done
echo "--- tokens held out and trained on"
for part in .holdout ''; do ml-shard stat $runs/chunks/slimpajama$part.mls | grep -w rows; done
grep -c '| window |' $runs/eval/report.md
tr -d ' \n' <$runs/stage2/adapter/config.json |
  grep -oE '"(mem_layer|ret_attn_layers|memory_size|mem_group_size|ret_group_size)":(\[[0-9,]*\]|[0-9]+)' | sort
