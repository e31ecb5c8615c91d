# Demonstrations in context and in memory: rows for every setting, the same result twice, bad files named.
# needs: ml-eval model retriever
. "$ROOT/Tests/cli/refuse"
printf 'sentence\tlabel\n' >train.tsv
for word in dull awful bad weak; do printf 'a %s film\t0\n' "$word"; done >>train.tsv
for word in fine great good warm; do printf 'a %s film\t1\n' "$word"; done >>train.tsv
printf 'sentence\tlabel\na lovely film\t1\na boring film\t0\n' >dev.tsv
icl() {
  ml-eval icl --task sst-2 --data . --model "$MODEL" -q \
    --shots 0,2 --memory-shots 0,6 --seeds 1,2 --chunk-tokens 16 --top-k 2 "$@"
}
icl --retriever "$RETRIEVER" --threads 1 -o one.json
icl --retriever "$RETRIEVER" --threads 2 -o two.json
python3 - <<'PY'
import json
one, two = (json.load(open(name)) for name in ("one.json", "two.json"))
for result in (one, two):
    del result["cost"]
print("same for 1 and 2 threads:", one == two)
print(one["task"], one["template"], one["labels"], one["targets"], len(one["rows"]), "rows")
for row in one["summary"]:
    print(row["shots"], row["memory_demonstrations"], row["rule"], row["seeds"])
PY
icl --select random -o /dev/null && echo controls need no retriever
printf 'sentence\tlabel\nno label\n' >bad.tsv
refuse "a line without a label" ml-eval icl --task sst-2 --train bad.tsv --test dev.tsv --model absent
refuse "no file" ml-eval icl --task mr --data . --model absent
refuse "too few examples" ml-eval icl --task sst-2 --data . --model absent --shots 9
refuse "no retriever" ml-eval icl --task sst-2 --data . --model "$MODEL" --memory-shots 2
refuse "no data" ml-eval icl --task sst-2 --model absent
