# Damaged shards, wrong kinds, and a plan from other chunks are refused with one line and status 1.
# needs: ml-train ml-index model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-train --stage 1 --memory-layer 15 -o out --model "$MODEL" )
damage "$READY/chunks.mls"
for fault in $faults; do
  refuse "chunks: $fault" "${run[@]}" --plan "$READY/plan.mls" "$fault.mls"
done
damage "$READY/plan.mls"
for fault in $faults; do
  refuse "plan: $fault" "${run[@]}" --plan "$fault.mls" "$READY/chunks.mls"
done
refuse "exchanged" "${run[@]}" --plan "$READY/chunks.mls" "$READY/plan.mls"
refuse "no plan there" "${run[@]}" --plan absent.mls "$READY/chunks.mls"
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --max-tokens 512 \
  -o other.mls "$READY/demo.jsonl"
refuse "plan from other chunks" "${run[@]}" --plan "$READY/plan.mls" other.mls
ml-chunk -q --tokenizer "$MODEL" --max-tokens 1 -o one.mls "$READY/demo.jsonl"
refuse "one token" "${run[@]}" one.mls
