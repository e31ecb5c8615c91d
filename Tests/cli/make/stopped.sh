# A stopped training goes on from its checkpoint at the next make, unless what it depends on changed.
. "$ROOT/Tests/cli/make/workplace"
touch stop-ml-train
run "stopped" 2>/dev/null
rm stop-ml-train
run "next make"
ls runs/demo/stage1
touch stop-ml-train
run "stopped again" LORA_RANK=16 2>/dev/null
rm stop-ml-train
sleep 0.1
run "with another rank" LORA_RANK=8
