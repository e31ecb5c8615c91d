# Windows are documents of their own, in segments of their own, and name the document they are of.
# needs: ml-chunk ml-shard model
. "$ROOT/Tests/cli/refuse"
chunk=(ml-chunk --tokenizer "$MODEL" --chunk-tokens 32)
"${chunk[@]}" -q --window 200 --stride 150 --last-context 100 --filter-length 600 --bos \
  -o windows.mls "$READY/demo.jsonl"
ml-shard check windows.mls
ml-shard view windows.mls | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
for window in sorted({row["document"] for row in rows}):
    own = [row for row in rows if row["document"] == window]
    print(window, {row["origin"] for row in own}, [(row["segment"], len(row["tokens"])) for row in own])
print("first tokens", [row["tokens"][0] for row in rows if row["ordinal"] == 0][:2], repr(rows[0]["text"][:20]))
'
cat windows.mls windows.mls >twice.mls
ml-shard view twice.mls | python3 -c '
import json, sys
print(sorted({(row["document"], row["origin"]) for row in map(json.loads, sys.stdin)}))'
"${chunk[@]}" --window 200 --filter-length 100000 -o none.mls "$READY/demo.jsonl" 2>&1 | sed -n 1p
refuse "stride alone" "${chunk[@]}" --stride 3 "$READY/demo.jsonl"
refuse "window of 0" "${chunk[@]}" --window 0 "$READY/demo.jsonl"
refuse "segments of both" "${chunk[@]}" --window 200 --segment-tokens 64 "$READY/demo.jsonl"
refuse "ragged prefill" "${chunk[@]}" --window 200 --prefill-tokens 40 "$READY/demo.jsonl"
