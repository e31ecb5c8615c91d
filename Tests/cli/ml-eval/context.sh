# Contexts and windows that do not fit the chunks or each other are refused before the model loads.
# needs: ml-chunk ml-eval model
. "$ROOT/Tests/cli/refuse"
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --window 200 --last-context 100 \
  --filter-length 300 -o windows.mls "$READY/demo.jsonl"
run=(ml-eval lm --model "$MODEL" -o out.json)
refuse "documents as windows" "${run[@]}" --protocol window "$READY/chunks.mls"
refuse "windows as documents" "${run[@]}" windows.mls
refuse "short context" "${run[@]}" --context 127 "$READY/chunks.mls"
refuse "sinks leave too little" "${run[@]}" --context 130 --sinks 3 "$READY/chunks.mls"
refuse "sinks alone" "${run[@]}" --layout published --sinks 4 "$READY/chunks.mls"
refuse "sinks of all" "${run[@]}" --context full --sinks 4 "$READY/chunks.mls"
refuse "negative sinks" "${run[@]}" --context 200 --sinks=-1 "$READY/chunks.mls"
refuse "reread and memory" "${run[@]}" --context 200 --context-mode reread \
  --plan "$READY/plan.mls" "$READY/chunks.mls"
refuse "no context" "${run[@]}" --context 0 "$READY/chunks.mls"
refuse "no such scaling" "${run[@]}" --rope-scaling cubic:2 "$READY/chunks.mls"
refuse "no factor" "${run[@]}" --rope-scaling linear:nan "$READY/chunks.mls"
