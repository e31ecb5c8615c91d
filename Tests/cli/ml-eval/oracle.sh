# What ml-eval oracle cannot work on is refused before the model loads.
# needs: ml-chunk ml-eval model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-eval oracle --model "$MODEL" -o oracle.mls)
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --max-tokens 512 \
  -o other.mls "$READY/demo.jsonl"
refuse "no plan" "${run[@]}" "$READY/chunks.mls"
refuse "plan in a pipe" "${run[@]}" --plan - "$READY/chunks.mls"
refuse "plan from other chunks" "${run[@]}" --plan "$READY/plan.mls" other.mls
refuse "every 0" "${run[@]}" --plan "$READY/plan.mls" --every 0 "$READY/chunks.mls"
refuse "no such layer" "${run[@]}" --memory-layer 99 --plan "$READY/plan.mls" "$READY/chunks.mls"
