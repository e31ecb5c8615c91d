# A model with another vocabulary than the chunks' is refused, naming both; so is a broken model.
# needs: ml-train ml-index model retriever
. "$ROOT/Tests/cli/refuse"
run=(ml-train --stage 1 --memory-layer 15 -o out )
mkdir llama
cp "$FIXTURES/llama-tied/config.json" llama/
cp "$FIXTURES/llama-tied/weights.safetensors" llama/model.safetensors
refuse "another vocabulary" ml-train --stage 1 -o out --memory-layer 1 --model llama \
  --plan "$READY/plan.mls" "$READY/chunks.mls"
# The same model but for one special token's spelling: as many tokens, another digest.
python3 - <<'PY'
import os
data = open(os.environ["MODEL"], "rb").read()
open("spelling.gguf", "wb").write(data.replace(b"<repo_name>", b"<REPO_name>", 1))
PY
ml-chunk -q --tokenizer spelling.gguf --chunk-tokens 32 --segment-tokens 128 -o other.mls "$READY/demo.jsonl"
refuse "another spelling" "${run[@]}" --model "$MODEL" other.mls
head -c 100000 "$MODEL" >cut.gguf
refuse "cut" "${run[@]}" --model cut.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
refuse "absent" "${run[@]}" --model absent.gguf --plan "$READY/plan.mls" "$READY/chunks.mls"
