# --no-provenance leaves the provenance out and the data as they were.
# needs: ml-chunk ml-shard model
ml-chunk -q --no-provenance --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 \
  -o plain.mls "$READY/demo.jsonl"
cmp -s plain.mls "$READY/chunks.mls" || echo "other bytes"
cmp <(tail -c 16 plain.mls) <(tail -c 16 "$READY/chunks.mls") && echo "the same digest"
