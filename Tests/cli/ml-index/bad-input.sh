# Damaged shards, and shards of another kind, are refused with one line and status 1.
# needs: ml-index model retriever
. "$ROOT/Tests/cli/refuse"
damage "$READY/embeddings.mls"
for fault in $faults; do
  refuse "$fault" ml-index -o out.mls "$fault.mls"
done
refuse "absent" ml-index -o out.mls absent.mls
refuse "chunks" ml-index -o out.mls "$READY/chunks.mls"
