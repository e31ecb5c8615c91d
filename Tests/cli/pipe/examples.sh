# The examples that the tools' --help prints do run.
# needs: ml-chunk ml-embed ml-index ml-train ml-eval ml-shard model retriever
export COLUMNS=500
for name in MODEL minilm; do ln -s "$RETRIEVER" $name; done
head -n 1 "$READY/demo.jsonl" >books.jsonl
zstd -q books.jsonl
cp books.jsonl.zst a.zst
echo "It is a truth universally acknowledged." >text.txt
mkdir -p runs/demo/chunks
for shard in chunks embeddings plan; do cp "$READY/$shard.mls" .; done
cp chunks.mls runs/demo/chunks
for name in part1 part2 new; do cp chunks.mls $name.mls; done
cp embeddings.mls questions.mls
ml-chunk -q --tokenizer "$MODEL" --pack stream --chunk-tokens 32 --segment-tokens 128 -o packed.mls "$READY/demo.jsonl"

# The examples of the tools, less those that train and evaluate: these take minutes.
examples() {
  "$@" | sed '1,/^Examples:/d; /^$/q' | sed 's/^ *//' | grep . || true
}
{
  for tool in ml-chunk ml-embed ml-index ml-shard; do examples $tool --help; done
  for command in view head check stat cat split; do examples ml-shard help $command; done
  for command in plan search; do examples ml-index help $command; done
} | awk '!seen[$0]++' >commands
grep -o '[A-Za-z]*\.gguf' commands | sort -u | while read -r name; do ln -s "$MODEL" "$name"; done
while read -r command; do
  if [[ $command = *"| jq"* ]] && ! command -v jq >/dev/null; then command=${command%%| jq*}; fi
  bash -eu -o pipefail -c "$command" >said 2>&1 </dev/null || { echo "fails: $command"; cat said; }
done <commands
[ "$(wc -l <commands)" -ge 10 ] && echo "ten or more examples"
