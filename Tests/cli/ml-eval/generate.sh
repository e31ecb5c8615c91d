# A document is read once and asked: the memory that was put aside answers as the one that stayed.
# needs: ml-eval ml-shard model retriever
python3 -c "
import json
text = ''.join(json.loads(line)['text'] for line in open('$READY/demo.jsonl'))
open('book.txt', 'w').write(text[:6000])"
generate="ml-eval generate -q --no-provenance --model $MODEL --retriever $RETRIEVER --context 512 --memory-source own"
$generate --max-tokens 0 --save-memory book.mls book.txt
ml-shard check book.mls
ml-shard view book.mls | head -n 2 | cut -c 1-60
$generate --max-tokens 8 --load-memory book.mls --prompt ' She said' >asked
$generate --max-tokens 8 --save-memory again.mls --prompt ' She said' book.txt >stayed
cmp asked stayed && cmp book.mls again.mls && echo same

printf 'caf\351' >latin1.txt
while read -r arguments; do
  status=0
  $generate $arguments >/dev/null 2>err || status=$?
  echo "$arguments: exit $status"
  sed 's/^/  /' err
done <<'CASES'
--load-memory book.mls
--load-memory book.txt --prompt a
--load-memory book.mls --prompt a --memory-layer 3
--load-memory book.mls --prompt a --chunk-tokens 64
--prompt a --context 100
--prompt a --top-p 0
--save-memory /dev/full --prompt a book.txt
--prompt a latin1.txt
CASES
head -c 100000 book.mls >cut.mls
$generate --load-memory cut.mls --prompt a 2>&1 || echo "cut: exit $?"
