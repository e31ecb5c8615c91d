# Damaged shards, wrong kinds, and a plan from other chunks are refused with one line and status 1.
# needs: ml-eval ml-index model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-eval lm -o out.json --model "$MODEL" --memory-layer 15 --retrieval-layers 15,19,23,27)
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
refuse "a layer that the model lacks, without a plan" \
  ml-eval lm -o out.json --model "$MODEL" --memory-layer 99 "$READY/chunks.mls"
