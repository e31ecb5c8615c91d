# A download that was killed or broke off is gone on with; what arrives changed is not kept.
# needs: pypi:huggingface_hub
. "$ROOT/Tests/cli/fetch/hub"
weights='model=hf://org/tiny@main/pytorch_model.bin'
echo "--- killed"
fetch 'kill pytorch_model.bin 2500000' "$weights"
[ ! -e receipts ]
echo "--- gone on with"
fetch '' "$weights"
cmp cache/models--org--tiny/snapshots/*/pytorch_model.bin $model/pytorch_model.bin
rm -r cache receipts
echo "--- connections that break"
fetch 'drop pytorch_model.bin 1300000' "$weights"
cmp cache/models--org--tiny/snapshots/*/pytorch_model.bin $model/pytorch_model.bin
rm -r cache receipts
echo "--- changed on the way"
fetch 'corrupt pytorch_model.bin' "$weights"
fetch 'corrupt config.json' 'config=hf://org/tiny@main/config.json'
[ ! -e receipts ]
find cache -name '*.bin' -o -name config.json
echo "--- and whole"
fetch '' "$weights"
