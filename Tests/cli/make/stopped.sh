# A stopped training goes on from its checkpoint at the next make. When what it depends on changed, ml-train is
# told to set the checkpoints aside; make itself removes those of a stage that is done, and no others.
. "$ROOT/Tests/cli/make/workplace"
touch stop-ml-train
run "stopped" 2>/dev/null
rm stop-ml-train
run "next make"
ls runs/demo/stage1
grep -o -- '--resume --set-aside' runs/demo/stage1/adapter.log
touch stop-ml-train
run "stopped again" LORA_RANK=16 2>/dev/null
rm stop-ml-train
touch fail-ml-train
sleep 0.1
run "another rank, and broken off" LORA_RANK=8 2>/dev/null
ls -d runs/demo/stage1/adapter.checkpoints
