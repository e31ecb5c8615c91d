# The report refuses what is no result, and results that score other tokens.
# needs: ml-eval
. "$ROOT/Tests/cli/refuse"
: >empty.json
echo '{"perplexity": 12}' >other.json
echo 'no json' >garbage.json
for file in empty other garbage absent; do
  refuse "$file" ml-eval report -o out.md "$file.json"
done
