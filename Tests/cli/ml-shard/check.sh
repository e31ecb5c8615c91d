# check says nothing of a good shard, names the fault of a bad one, and agrees with zstd -t.
# needs: ml-shard ml-index model retriever
. "$ROOT/Tests/cli/refuse"
for shard in chunks embeddings plan; do
  ml-shard check "$READY/$shard.mls"
  zstd -q -t "$READY/$shard.mls"
done
refuse "an output" ml-shard check -o out "$READY/chunks.mls"
damage "$READY/chunks.mls"
for fault in $faults; do
  refuse "$fault" ml-shard check "$fault.mls"
done
