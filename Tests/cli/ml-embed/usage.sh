# Wrong usage exits 64, before anything is written.
# needs: ml-embed retriever
. "$ROOT/Tests/cli/refuse"
refuse "no model" ml-embed -o out.mls "$READY/chunks.mls"
refuse "unknown query" ml-embed --model "$RETRIEVER" --query next -o out.mls "$READY/chunks.mls"
refuse "query of 0" ml-embed --model "$RETRIEVER" --query-tokens 0 -o out.mls "$READY/chunks.mls"
refuse "ragged block" ml-embed --model "$RETRIEVER" --block-tokens 33 -o out.mls "$READY/chunks.mls"
refuse "full disk" bash -c 'ml-embed -q --model "$RETRIEVER" "$READY/chunks.mls" >/dev/full'
