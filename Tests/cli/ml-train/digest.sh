# An adapter of which a bit has turned is refused, by every tool; one without a digest is taken, and said so with -v.
# needs: ml-train ml-eval model
. "$ROOT/Tests/cli/refuse"
run=(ml-train -q --model "$MODEL" --stage 2 --schedule constant --warmup-steps 0 --accumulation 1 --max-steps 1)
"${run[@]}" -o whole "$READY/chunks.mls"
cp -r whole bad
cp -r whole plain
python3 - <<'PY'
import json
with open("bad/adapter_model.safetensors", "r+b") as file:
    file.seek(-1000, 2)
    byte = file.read(1)[0]
    file.seek(-1000, 2)
    file.write(bytes([byte ^ 4]))
config = json.load(open("plain/config.json"))
del config["adapter_digest"]
json.dump(config, open("plain/config.json", "w"))
PY
refuse "ml-train" "${run[@]}" --adapter bad -o out "$READY/chunks.mls"
refuse "ml-train merge" ml-train merge --model "$MODEL" --adapter bad -o out
refuse "ml-eval lm" ml-eval lm --model "$MODEL" --adapter bad -o out "$READY/chunks.mls"
"${run[@]}" --adapter whole -o out "$READY/chunks.mls"
"${run[@]/-q/-v}" --adapter plain -o out "$READY/chunks.mls" 2>&1 | grep digest
