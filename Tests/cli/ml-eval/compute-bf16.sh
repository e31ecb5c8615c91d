# --compute bf16 changes a result little, and threads change nothing; a checkpoint of the other is refused.
# needs: ml-eval ml-train ml-shard model bf16
. "$ROOT/Tests/cli/refuse"
head=(--model "$MODEL" --memory-layer 15 --plan "$READY/plan.mls")
score() {
  ml-eval lm "${head[@]}" --retrieval-layers 15,29 --no-provenance -q "$@" "$READY/chunks.mls"
}
score -o f32.json --scores f32.mls
for threads in 1 3; do score --compute bf16 --threads $threads -o $threads.json --scores $threads.mls; done
cmp 1.mls 3.mls
python3 - <<'PY'
import json
f32, bf16 = (json.load(open(name))["mean_nll"] for name in ("f32.json", "1.json"))
print("as close as bf16 is:", 0 < abs(f32 - bf16) < 0.02 * f32)
PY
train() {
  ml-train "${head[@]}" --stage 2 --lora-rank 2 --accumulation 1 --max-steps 2 --warmup-steps 1 \
    --checkpoint-every 1 -q "$@" "$READY/chunks.mls"
}
for threads in 1 3; do train --compute bf16 --threads $threads -o adapter$threads; done
cmp adapter1/adapter_model.safetensors adapter3/adapter_model.safetensors
refuse "another --compute" train --resume --checkpoint-dir adapter1.checkpoints -o adapter2
