# Paths are bytes, and an output through a link is written where the link points.
# needs: ml-chunk ml-shard ml-embed model retriever
odd=$(printf 'b\377\376ad')
mkdir "$odd"
echo '{"text": "one"}' >"$odd/$odd.jsonl"
echo '{"text": "two"}' >"$odd/b.jsonl"
cp "$MODEL" "$odd/$odd.gguf"
ml-chunk --tokenizer "$odd/$odd.gguf" -q -o "$odd/out-$odd.mls" "$odd" "$odd/$odd.jsonl"
ml-shard view "$odd/out-$odd.mls" | grep -o '"text":"[^"]*"'
cp -r "$RETRIEVER" "$odd/retriever"
ml-embed --model "$odd/retriever" -q -o "$odd/embeddings.mls" "$odd/out-$odd.mls"
ml-chunk --tokenizer "$MODEL" "$odd/absent.jsonl" 2>&1 | od -An -c | tr -d ' \n' || true
echo
echo broken >"$odd/$odd.jsonl"
ml-chunk --tokenizer "$MODEL" -o out.mls "$odd/$odd.jsonl" 2>&1 | grep -c "$(printf '\377\376')" || true

echo '{"text": "linked"}' >in.jsonl
mkdir there
ln -s there/target.mls link.mls
ln -s link.mls second.mls
ln -s loop.mls loop.mls
ml-chunk --tokenizer "$MODEL" -q -o second.mls in.jsonl
readlink second.mls link.mls
ls there
ml-shard view second.mls | grep -o '"text":"[^"]*"'
ml-chunk --tokenizer "$MODEL" -q -o loop.mls in.jsonl || echo "exit $?"

mkdir gone
cp in.jsonl gone/in.jsonl
cd gone
rm -r ../gone
ml-chunk --tokenizer "$MODEL" -q -o out.mls in.jsonl 2>&1 || echo "exit $?"
