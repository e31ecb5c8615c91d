# A stage reruns when its input or its tool's version changed; not when a rebuilt tool is the same.
. "$ROOT/Tests/cli/make/workplace"
run "first make"

touch Package.swift
run "rebuilt, the same programs"
sed -i 's/ml-train 1/ml-train 2/' bin/versions
touch Package.swift
run "another version of ml-train"
echo '# a repaired fault' >>bin/ml-eval
touch Package.swift
run "another ml-eval of the same version"
touch cache/memlong/text/austen/persuasion.jsonl
run "another text to evaluate"
rm runs/demo/plans/eval.random.mls
run "a lost plan"
touch README.md
run "a change elsewhere"
