# A stage reruns when its input or its tool changed; not when the same sources were built again.
. "$ROOT/Tests/cli/make/workplace"
run "first make"

touch Package.swift
run "built again"
sed -i 's/ml-train 1/ml-train 2/' bin/versions
touch Package.swift
run "another version of ml-train"
echo 'let repaired = true' >Sources/ml-eval/main.swift
run "ml-eval repaired"
echo 'let faster = true' >Sources/Library/Kernel.swift
run "a library of ml-train and ml-eval"
printf '%s\n' '// Why it is faster.' 'let faster = true' >Sources/Library/Kernel.swift
run "a comment"
touch cache/memlong/text/austen/persuasion.jsonl
run "another text to evaluate"
rm runs/demo/plans/code.previous.mls
run "a lost plan"
touch README.md
run "a change elsewhere"
