# A document is read once and asked: in one go, in pieces, and put aside between them, the same bytes answer.
# needs: ml-eval ml-shard model retriever
python3 -c "
import json
text = ''.join(json.loads(line)['text'] for line in open('$READY/demo.jsonl'))
open('book.txt', 'w').write(text[:6000])
open('one.txt', 'w').write(text[:2500])
open('two.txt', 'w').write(text[2500:6000])"
plain="ml-eval generate -q --no-provenance --model $MODEL"
generate="$plain --retriever $RETRIEVER"
read="$generate --segment-tokens 256"
$read --max-tokens 0 --save-memory one.mls one.txt
$generate --max-tokens 0 --load-memory one.mls --save-memory two.mls two.txt
ml-shard check two.mls
ml-shard view two.mls | head -n 2 | cut -c 1-60
$generate --max-tokens 8 --load-memory two.mls --prompt ' She said' >asked
$read --max-tokens 8 --save-memory again.mls --prompt ' She said' one.txt two.txt >stayed
cmp asked stayed && cmp two.mls again.mls && echo same
# Without a prompt the text itself goes on, behind what waited for a segment to fill.
$read --max-tokens 4 --memory-dtype bf16 book.txt >goes-on
[ -s goes-on ] && echo "goes on"

# What was read for the question is shown with its place, beside the answer.
$generate --max-tokens 2 --top-k 2 --load-memory two.mls --show-retrieved --prompt ' She said' >shown 2>passages
sed -E 's/score [-0-9.]+: (.{8}).*/score: \1/' passages
# A bounded memory says what it lost.
${generate/ -q/} --segment-tokens 256 --max-tokens 0 --memory-tokens 256 book.txt 2>bounded
head -n 1 bounded
# A question in the model's own format is answered; the format's tokens are not printed.
$generate --chat --max-tokens 8 --load-memory two.mls --prompt 'Who spoke?' >chat
if grep -q 'im_' chat; then cat chat; fi

# A model whose every token is an end, and whose template is unknown.
mkdir ends
cp "$FIXTURES/tokenizer-json/smollm.json" ends/tokenizer.json
cp "$FIXTURES/llama-gqa/weights.safetensors" ends/model.safetensors
python3 -c "
import json
config = json.load(open('$FIXTURES/llama-gqa/config.json'))
config['eos_token_id'] = list(range(config['vocab_size']))
json.dump(config, open('ends/config.json', 'w'))"
ml-eval generate --model ends --prompt a 2>ended
head -n 1 ended
ml-eval generate -q --model ends --prompt a --chat 2>&1 || echo "exit $?"

printf 'caf\351' >latin1.txt
cp "$MODEL" other.gguf
printf 'x' >>other.gguf
while read -r arguments; do
  status=0
  $generate $arguments >/dev/null 2>err || status=$?
  echo "$arguments: exit $status"
  sed -E 's/^/  /; s/[0-9a-f]{16}/DIGEST/g' err
done <<'CASES'
--load-memory two.mls
--load-memory book.txt --prompt a
--load-memory two.mls --prompt a --memory-layer 3
--load-memory two.mls --prompt a --layout published
--load-memory two.mls --prompt a --chunk-tokens 64
--load-memory two.mls --prompt a --context 4096
--load-memory two.mls --prompt a --model other.gguf
--prompt a --context 1000
--prompt a --segment-tokens 100
--prompt a --block-tokens 100
--prompt a --memory-tokens 100
--prompt a --eviction lru
--prompt a --top-p 0
--chat one.txt
--save-memory /dev/full --prompt a one.txt
--prompt a latin1.txt
CASES
head -c 100000 two.mls >cut.mls
$generate --load-memory cut.mls --prompt a 2>&1 || echo "cut: exit $?"
