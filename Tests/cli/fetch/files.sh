# hub.py fetches what the tools read of a model, and of data what a pattern says; once.
# needs: ml-chunk pypi:huggingface_hub
. "$ROOT/Tests/cli/fetch/hub"
commit=$(cat $model/.commit)
echo "--- a model, and two of four shards"
fetch '' model=hf://org/tiny@$commit 'text=hf://datasets/org/texts@main/data/train-*.txt:6kB'
sed "s|$PWD/||" receipts/model receipts/text
(cd cache/models--org--tiny/snapshots/$commit && sha256sum pytorch_model.bin && git hash-object config.json)
echo "--- again"
touch -d 2024-01-01 receipts/*
fetch '' model=hf://org/tiny@$commit 'text=hf://datasets/org/texts@main/data/train-*.txt:6kB'
find receipts -newermt 2024-01-02 -type f
echo "--- safetensors are preferred"
echo weights >$model/model.safetensors
fetch '' model=hf://org/tiny@$commit
echo "--- the tools find it by its name"
echo 'It was the best of times.' >a.txt
for name in org/tiny org/tiny@$commit cache/models--org--tiny/snapshots/$commit; do
  ml-chunk -q --tokenizer $name --no-provenance -o $commit.mls a.txt
  sha256sum <$commit.mls
done | uniq | wc -l
