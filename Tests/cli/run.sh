#!/usr/bin/env bash
# run.sh [--record] [CASE…]: runs the tools' cases against the built programs.
#
# A case is <tool>/<name>.sh, run by bash -eu -o pipefail in a scratch folder of its own; its first
# comment says what it shows. Beside it:
#   <name>.exit         its exit status (absent: 0)
#   <name>.stdout       its standard output, exactly (absent: empty)
#   <name>.stderr.glob  its standard error, a pattern a line; a line `...` stands for any lines
#                       (absent: not looked at)
# --record writes the first two, and the third where it exists, from what the programs now do; that
# counts as a failure, so that nobody records by accident.
#
# Cases see: the tools in PATH; $MODEL and $RETRIEVER, the demo's models; $AUSTEN, its novels; $READY, a folder with
# demo.jsonl, chunks.mls, embeddings.mls, plan.mls made once; $FIXTURES; $ROOT; $PYPI, what was installed from there.
# A case with a line `# needs: NAME…` is skipped when a tool, a model or the kind of build that it names is
# not there, or when the PACKAGE of a pypi:PACKAGE cannot be had.
set -eu -o pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
export ROOT=${here%/Tests/cli} FIXTURES=${here%/cli}/Fixtures
cache=${XDG_CACHE_HOME:-$HOME/.cache}/memlong
export MODEL=$cache/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf RETRIEVER=$cache/models/minilm
export AUSTEN=$cache/text/austen PYPI=$cache/pypi PATH=${BIN:-$ROOT/.build/release}:$PATH
unset MAKEFLAGS MFLAGS MAKELEVEL

record=false
if [ "${1:-}" = --record ]; then
  record=true
  shift
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export READY=$scratch/ready

# matches FILE PATTERNS: every line of FILE matches its pattern, `...` stands for any lines.
matches() {
  local -a lines patterns
  mapfile -t lines <"$1"
  mapfile -t patterns <"$2"
  local at=0 any=false pattern
  for pattern in "${patterns[@]}"; do
    if [ "$pattern" = ... ]; then
      any=true
      continue
    fi
    # shellcheck disable=SC2053
    while $any && [ $at -lt ${#lines[@]} ] && [[ ${lines[at]} != $pattern ]]; do at=$((at + 1)); done
    # shellcheck disable=SC2053
    if [ $at -ge ${#lines[@]} ] || [[ ${lines[at]} != $pattern ]]; then return 1; fi
    at=$((at + 1)) any=false
  done
  $any || [ $at -eq ${#lines[@]} ]
}

# products: says why there are no products of bf16 here, fails where there are.
products() {
  local said
  said=$(ml-eval lm --compute bf16 --model absent 2>&1 </dev/null) || true
  sed -n 's/.*--compute bf16: //p' <<<"$said" | grep .
}

# missing CASE: names what the case needs and is not there.
missing() {
  local need why
  for need in $(sed -n 's/^# needs: //p' "$1"); do
    case $need in
      ml-*) command -v "$need" >/dev/null || echo "$need" ;;
      model) [ -e "$MODEL" ] || echo "$MODEL" ;;
      bf16) ! why=$(products) || echo "$need: $why" ;;
      no-bf16) products >/dev/null || echo "$need" ;;
      pypi:*)
        PIP_RETRIES=1 PIP_TIMEOUT=15 "$ROOT/pipelines/tools/pypi.sh" "$PYPI" "${need#*:}" >/dev/null 2>&1 ||
          echo "${need#*:} from PyPI"
        ;;
      austen) [ -e "$AUSTEN/persuasion.jsonl" ] || echo "$AUSTEN" ;;
      retriever) [ -e "$RETRIEVER/config.json" ] || echo "$RETRIEVER" ;;
      *) echo "$need" ;;
    esac
  done
}

# difference CASE: compares what the case did with what its files expect, and prints how they differ.
difference() {
  local base=${1%.sh} expected=0
  [ ! -e "$base.exit" ] || expected=$(<"$base.exit")
  [ "$status" = "$expected" ] || echo "exit status $status, expected $expected"
  if [ -e "$base.stdout" ]; then
    diff -u "$base.stdout" "$scratch/stdout" || true
  elif [ -s "$scratch/stdout" ]; then
    echo "standard output is not empty:"
    head -n 20 "$scratch/stdout" | cat -v
  fi
  if [ -e "$base.stderr.glob" ] && ! matches "$scratch/stderr" "$base.stderr.glob"; then
    echo "standard error does not match:"
    diff "$base.stderr.glob" "$scratch/stderr" || true
  elif [ "$status" != "$expected" ]; then
    cat "$scratch/stderr"
  fi
}

record_case() {
  local base=${1%.sh}
  rm -f "$base.exit" "$base.stdout"
  [ "$status" = 0 ] || echo "$status" >"$base.exit"
  [ ! -s "$scratch/stdout" ] || cp "$scratch/stdout" "$base.stdout"
  [ ! -e "$base.stderr.glob" ] || cp "$scratch/stderr" "$base.stderr.glob"
}

# What many cases read is made once. Where it cannot be made, they fail one by one.
mkdir "$READY"
(cd "$READY" && bash -eu -o pipefail "$here/ready.sh") >"$scratch/ready.log" 2>&1 ||
  { echo "ready.sh failed:"; cat "$scratch/ready.log"; }

cases=("$@")
[ ${#cases[@]} -gt 0 ] || mapfile -t cases < <(find "$here" -mindepth 2 -name '*.sh' | sort)
passed=0 failed=0 skipped=0
for case in "${cases[@]}"; do
  case=$(realpath "$case")
  name=${case#"$here/"}
  absent=$(missing "$case")
  if [ -n "$absent" ]; then
    echo "skipped $name: needs ${absent//$'\n'/, }"
    skipped=$((skipped + 1))
    continue
  fi
  mkdir "$scratch/case"
  status=0
  (cd "$scratch/case" && timeout 300 bash -eu -o pipefail "$case" \
    </dev/null >"$scratch/stdout" 2>"$scratch/stderr") || status=$?
  found=$(difference "$case")
  if [ -z "$found" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED  $name: $(sed -n 's/^# //p' "$case" | head -n 1)"
    printf '%s\n' "$found" | sed 's/^/    /'
    if $record; then record_case "$case"; fi
  fi
  chmod -R u+w "$scratch/case"
  rm -rf "$scratch/case"
done
echo "Tests/cli: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
