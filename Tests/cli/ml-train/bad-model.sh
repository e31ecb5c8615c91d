# A model with another vocabulary than the chunks' is refused, naming both; so is a broken model.
# needs: ml-train ml-index model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-train --stage 1 --memory-layer 15 -o out )
mkdir llama
cp "$FIXTURES/llama-tied/config.json" llama/
cp "$FIXTURES/llama-tied/weights.safetensors" llama/model.safetensors
refuse "another vocabulary" "${run[@]}" --model llama --plan "$READY/plan.mls" "$READY/chunks.mls"
head -c 100000 "$MODEL" >cut.gguf
refuse "cut" "${run[@]}" --model cut.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
refuse "absent" "${run[@]}" --model absent.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
