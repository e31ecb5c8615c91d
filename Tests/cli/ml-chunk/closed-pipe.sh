# A reader that goes away ends the tool quietly.
# needs: ml-chunk model
set +o pipefail
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 "$READY/demo.jsonl" |
  head -c 10 | wc -c
sleep 0.2
# However it ends, nothing is said.
ml-chunk --tokenizer "$MODEL" "$READY/demo.jsonl" 2>said | true || true
grep -i -E 'pipe|error|ml-chunk:' said || true
