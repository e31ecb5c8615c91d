# A retriever and a tokenizer are found by their hub names, as a model is; one that is not there is named with the way to fetch it.
# needs: ml-eval model retriever
. "$ROOT/Tests/cli/refuse"
export HF_HUB_CACHE=$PWD/hub
mkdir -p hub/models--org--minilm/snapshots
ln -s "$RETRIEVER" hub/models--org--minilm/snapshots/one
run=(ml-eval needle -q --lengths 96 --depths 0 --chunk-tokens 32 --segment-tokens 64 --top-k 2)
"${run[@]}" --model "$MODEL" --retriever org/minilm -o result.json
"${run[@]}" --model "$MODEL" --retriever "$RETRIEVER" -o path.json
python3 - <<'PY'
import json
one, two = (json.load(open(name)) for name in ("result.json", "path.json"))
print([answer["retrieved"] for answer in one["answers"]], one["answers"] == two["answers"])
PY
refuse "no such retriever" "${run[@]}" --model "$MODEL" --retriever org/absent
refuse "no such tokenizer" "${run[@]}" --model "$MODEL" --retriever org/minilm --tokenizer org/absent
