# A number hidden in a text: answers for every length and depth, the same twice, bad options named.
# needs: ml-eval model retriever
. "$ROOT/Tests/cli/refuse"
needle() {
  ml-eval needle --model "$MODEL" -q --lengths 96,160 --depths 0,100 --chunk-tokens 32 \
    --segment-tokens 64 --top-k 2 --seed 1 "$@"
}
needle --retriever "$RETRIEVER" --threads 1 -o one.json
needle --retriever "$RETRIEVER" --threads 2 -o two.json
# All of the text as local context: what the model can do without memory.
needle --off --local-tokens 160 -o off.json
python3 - <<'PY'
import json
one, two, off = (json.load(open(name)) for name in ("one.json", "two.json", "off.json"))
for result in (one, two):
    del result["cost"]
print("same for 1 and 2 threads:", one == two)
print(one["task"], one["lengths"], one["depths"], [a["retrieved"] for a in one["answers"]])
print("off:", off["system"]["memory"], [(a["correct"], a["rank"], a["retrieved"]) for a in off["answers"]])
PY
refuse "no room" ml-eval needle --model "$MODEL" --select recent --lengths 16
refuse "no text" ml-eval needle --model "$MODEL" --select recent --haystack /dev/null
printf 'a\377b' >latin1.txt
refuse "not UTF-8" ml-eval needle --model "$MODEL" --select recent --haystack latin1.txt
refuse "depth" ml-eval needle --model absent --depths 101
refuse "segments" ml-eval needle --model absent --segment-tokens 100
