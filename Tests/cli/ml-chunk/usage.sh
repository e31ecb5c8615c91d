# Wrong usage exits 64, before anything is written.
# needs: ml-chunk model
. "$ROOT/Tests/cli/refuse"
chunk=(ml-chunk --tokenizer "$MODEL" -o out.mls)
refuse "no tokenizer" ml-chunk -o out.mls "$READY/demo.jsonl"
refuse "unknown option" "${chunk[@]}" --colour "$READY/demo.jsonl"
refuse "chunk of 0" "${chunk[@]}" --chunk-tokens 0 "$READY/demo.jsonl"
refuse "not a number" "${chunk[@]}" --chunk-tokens many "$READY/demo.jsonl"
refuse "ragged segment" "${chunk[@]}" --chunk-tokens 128 --segment-tokens 1000 "$READY/demo.jsonl"
refuse "unknown packing" "${chunk[@]}" --pack box "$READY/demo.jsonl"
