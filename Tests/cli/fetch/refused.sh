# What hub.py refuses, in a line each, and leaves no receipt of.
# needs: pypi:huggingface_hub
. "$ROOT/Tests/cli/fetch/hub"
echo "--- a token is wanted"
fetch 'token secret' model=hf://org/tiny@main
HF_TOKEN=wrong fetch 'token secret' model=hf://org/tiny@main
HF_TOKEN=secret fetch 'token secret' 'model=hf://org/tiny@main/*.json'
rm -r cache receipts
echo "--- it does not fit onto the disk"
fetch 'size pytorch_model.bin 900000000000000' model=hf://org/tiny@main
ls cache
echo "--- no such thing"
fetch '' model=hf://org/none@main
fetch '' model=hf://org/tiny@1111111111111111111111111111111111111111
fetch '' 'model=hf://org/tiny@main/*.gguf'
rm $model/pytorch_model.bin
fetch '' model=hf://org/tiny@main
fetch '' model=org/tiny
fetch '' data=hf://datasets/org/texts@main
echo "--- no hub"
HF_ENDPOINT=http://127.0.0.1:9 "$python" "$ROOT/pipelines/tools/hub.py" receipts m=hf://org/tiny@main 2>&1 || true
export HF_HUB_OFFLINE=1
fetch '' 'text=hf://datasets/org/texts@main/data/*'
HF_HUB_OFFLINE=0 fetch '' 'text=hf://datasets/org/texts@main/data/train-0*' >/dev/null
fetch '' 'text=hf://datasets/org/texts@main/data/*'
sed "s|$PWD/||" receipts/text
[ ! -e receipts/model ] && [ ! -e receipts/data ]
