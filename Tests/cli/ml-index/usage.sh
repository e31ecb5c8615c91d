# Wrong usage exits 64, before anything is written.
# needs: ml-index retriever
. "$ROOT/Tests/cli/refuse"
for options in "--top-k 0" "--top-k -1" "--memory-tokens 0" "--eviction oldest" "--reset daily" \
  "--select best" "--recent 9" "--recent -1" "--context 100" "--context 1100" "--colour"; do
  # shellcheck disable=SC2086
  refuse "$options" ml-index $options -o out.mls "$READY/embeddings.mls"
done
refuse "full disk" bash -c 'ml-index -q "$READY/embeddings.mls" >/dev/full'
