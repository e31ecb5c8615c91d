# A retriever folder that lacks a file, or holds a cut one, is refused.
# needs: ml-embed retriever
. "$ROOT/Tests/cli/refuse"
refuse "absent" ml-embed --model absent -o out.mls "$READY/chunks.mls"
for file in config.json model.safetensors vocab.txt; do
  cp -rs "$RETRIEVER" copy
  rm "copy/$file"
  rm -f copy/tokenizer.json # it would do in place of vocab.txt
  refuse "without $file" ml-embed --model copy -o out.mls "$READY/chunks.mls"
  head -c 50 "$RETRIEVER/$file" >"copy/$file"
  refuse "$file cut" ml-embed --model copy -o out.mls "$READY/chunks.mls"
  rm -r copy
done
