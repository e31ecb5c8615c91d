# A model with another vocabulary than the chunks' is refused, naming both; so is a broken model.
# needs: ml-eval ml-index model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-eval lm -o out.json --memory-layer 15 --retrieval-layers 15,19,23,27)
mkdir llama
cp "$FIXTURES/llama-tied/config.json" llama/
cp "$FIXTURES/llama-tied/weights.safetensors" llama/model.safetensors
refuse "another vocabulary" "${run[@]}" --model llama --plan "$READY/plan.mls" "$READY/chunks.mls"
head -c 100000 "$MODEL" >cut.gguf
refuse "cut" "${run[@]}" --model cut.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
refuse "absent" "${run[@]}" --model absent.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
mkdir adapter
echo '{' >adapter/adapter_config.json
refuse "broken adapter" "${run[@]}" --model "$MODEL" --adapter adapter "$READY/chunks.mls"
refuse "no adapter" "${run[@]}" --model "$MODEL" --adapter absent "$READY/chunks.mls"
refuse "layer beyond the model" ml-eval lm -o out.json --model "$MODEL" --plan "$READY/plan.mls" \
  --memory-layer 99 --retrieval-layers 15 "$READY/chunks.mls"
