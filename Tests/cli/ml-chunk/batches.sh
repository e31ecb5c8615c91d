# Inputs of more than one batch: the same bytes from one file or many, for any number of threads; a fault
# shows after the documents before it, and not at all where --max-tokens ends the input first.
# needs: ml-chunk model
. "$ROOT/Tests/cli/refuse"
for i in $(seq 0 9); do
  seq 14000 | sed "s/.*/{\"text\":\"Document & of file $i, some words again and again until it is full.\"}/" \
    >"$i.jsonl"
done
cat [0-9].jsonl | zstd -q >all.jsonl.zst
chunk=(ml-chunk --tokenizer "$MODEL" --pack stream -q)
"${chunk[@]}" --threads 1 -o one.mls [0-9].jsonl
for threads in 1 2 3; do
  "${chunk[@]}" --threads "$threads" -o many.mls [0-9].jsonl
  cmp one.mls many.mls
  "${chunk[@]}" --threads "$threads" all.jsonl.zst | cmp - <("${chunk[@]}" - <all.jsonl.zst)
done
ml-shard check many.mls
echo '{"text":1}' >bad.jsonl
for threads in 1 2; do
  refuse "a bad file" "${chunk[@]}" --threads "$threads" -o out.mls 0.jsonl bad.jsonl 1.jsonl
  "${chunk[@]}" --threads "$threads" -o empty.mls 0.jsonl /dev/null 1.jsonl /dev/null
  cmp empty.mls <("${chunk[@]}" 0.jsonl 1.jsonl)
  "${chunk[@]}" --threads "$threads" --max-tokens 100000 -o cut.mls 0.jsonl bad.jsonl
  rm cut.mls
done
