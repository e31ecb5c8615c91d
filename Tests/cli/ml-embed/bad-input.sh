# Damaged shards, and shards of another kind, are refused with one line and status 1.
# needs: ml-chunk ml-embed ml-index model retriever
. "$ROOT/Tests/cli/refuse"
damage "$READY/chunks.mls"
for fault in $faults; do
  refuse "$fault" ml-embed --model "$RETRIEVER" -o out.mls "$fault.mls"
done
refuse "absent" ml-embed --model "$RETRIEVER" -o out.mls absent.mls
refuse "a plan" ml-embed --model "$RETRIEVER" -o out.mls "$READY/plan.mls"
refuse "text" ml-embed --model "$RETRIEVER" -o out.mls "$READY/demo.jsonl"
refuse "the second of two is cut" \
  ml-embed --model "$RETRIEVER" -o out.mls "$READY/chunks.mls" cut-inside-a-frame.mls
