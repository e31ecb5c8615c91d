# --holdout puts the last documents aside; --max-tokens ends early.
# needs: ml-chunk ml-shard model
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --holdout 0.25 \
  --holdout-output last.mls -o first.mls "$READY/demo.jsonl"
for shard in first last; do
  ml-shard check "$shard.mls"
  echo "$shard: $(ml-shard view "$shard.mls" | grep -o '"document":[0-9]*' | sort | uniq -c | wc -l) documents"
done
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --max-tokens 100 \
  -o short.mls "$READY/demo.jsonl"
ml-shard view short.mls | wc -l
