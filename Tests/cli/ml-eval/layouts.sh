# Layouts by name are the flags they stand for; a plan's context is the reader's; contradictions are named.
# needs: ml-eval ml-index model retriever
. "$ROOT/Tests/cli/refuse"
score() {
  ml-eval lm -q --no-provenance --model "$MODEL" "$@" -o result.json chunks.mls
  python3 -c '
import json
r = json.load(open("result.json"))
print(r["mean_nll"], r["system"].get("layout"), r["system"].get("context"))' | sed 's/.cache_bytes.: [0-9]*, //'
}
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 64 --max-tokens 320 -o chunks.mls "$READY/demo.jsonl"
ml-embed -q --model "$RETRIEVER" --block-tokens 32 --query-tokens 32 -o embeddings.mls chunks.mls
ml-index -q --top-k 2 -o plan.mls embeddings.mls
ml-index -q --top-k 2 --layout published -o alone.mls embeddings.mls
ml-index -q --top-k 2 --context none -o none.mls embeddings.mls
ml-shard stat plan.mls | grep context_tokens
ml-shard stat alone.mls | grep -E 'context_tokens|layout'
cmp <(tail -c 16 alone.mls) <(tail -c 16 none.mls)
same() {
  if [ "$1" = "$2" ]; then echo "same: $2"; else echo "differ: $1, $2"; fi | sed 's/[0-9.]\{9,\}/NLL/g'
}
flags=(--memory-layer 0 --retrieval-layers 0-29 --memory-source own --positions continual)
same "$(score --plan plan.mls)" "$(score --plan plan.mls --layout all "${flags[@]}" --context 132 --sinks 4)"
same "$(score --plan plan.mls --layout upper)" \
  "$(score --plan plan.mls --layout all --memory-layer 15 --retrieval-layers 15-29)"
same "$(score --plan alone.mls --layout published)" \
  "$(score --plan alone.mls --layout all --memory-layer 15 --retrieval-layers 15,19,23,27 --memory-source shared --positions zero --context none)"
same "$(score)" "$(score --layout all --context 132 --sinks 4)"
same "$(score --layout published)" "$(score --context none)"

mkdir adapter
python3 - <<'PY'
import json
memory = {"mem_layer": 15, "ret_attn_layers": [15, 19, 23, 27], "position_type": "Zero", "mem_source": "shared",
          "mem_dtype": "float32", "use_gate": False, "mem_group_size": 32}
json.dump(memory, open("adapter/config.json", "w"))
PY
refuse "another layout than the adapter's" \
  ml-eval lm --model "$MODEL" --adapter adapter --layout all --plan plan.mls chunks.mls
refuse "no such layout" ml-eval lm --model "$MODEL" --layout half chunks.mls
refuse "context shorter than a segment" ml-eval lm --model "$MODEL" --context 63 chunks.mls
refuse "context of half a chunk" ml-index --context 80 embeddings.mls
refuse "needle: context of half a chunk" ml-eval needle --model "$MODEL" --select recent --lengths 512 --context 1100
printf 'sentence\tlabel\na fine film\t1\n' >one.tsv
refuse "icl: whole text" ml-eval icl --task sst-2 --train one.tsv --test one.tsv --shots 1 --model "$MODEL" \
  --context full
refuse "sinks of no context" ml-eval lm --model "$MODEL" --layout published --sinks 4 chunks.mls
# A plan for another context is said.
ml-eval lm --no-provenance --model "$MODEL" --plan alone.mls --context 132 --sinks 4 -o r.json chunks.mls 2>&1 | grep plan
