# A log that was deleted is not missed: the report does without it, and nothing is trained again.
. "$ROOT/Tests/cli/make/workplace"
sed -i 's/^echo "half of it"/[[ "$arguments" != *--log* ]] || touch "$(sed "s|.*--log \\([^ ]*\\).*|\\1|" <<<"$arguments")"\n&/' bin/ml-train
run "first make"
grep -o 'runs/demo/stage[^ ]*jsonl' runs/demo/eval/report.md
rm runs/demo/stage1/stage1.jsonl
run "a lost log"
rm runs/demo/eval/report.md
run "and a lost report"
grep '^no ' make.out
grep -o 'runs/demo/stage[^ ]*jsonl' runs/demo/eval/report.md
