#!/usr/bin/env bash
# packages.sh [TRAIT,...]: installs the Debian packages that are missing, and checks for Swift.
set -eu -o pipefail

# A package is missing when its probe fails; what came from elsewhere (a python of one's own) serves.
needs=(
  "git --version=git"
  "pkg-config --version=pkg-config"
  "zstd --version=zstd"
  "python3 --version=python3"
  "python3 -m pip --version=python3-pip"
  "pkg-config --exists openblas=libopenblas-dev"
  "pkg-config --exists libzstd=libzstd-dev"
  "pkg-config --exists libxxhash=libxxhash-dev"
  "pkg-config --exists zlib=zlib1g-dev"
  "pkg-config --exists sentencepiece=libsentencepiece-dev" # tokenizer.model of Llama 2, Mistral, bge-m3
  "pkg-config --exists oniguruma=libonig-dev" # tokenizer.json's expressions, as Hugging Face matches them
  "pkg-config --exists libutf8proc=libutf8proc-dev" # tokenizer.json's normalisation forms
  "test -e /usr/include/stdlib.h=libc6-dev"
  "test -e /etc/ssl/certs/ca-certificates.crt=ca-certificates"
)
# Of the build's optional parts
case ",${1:-}," in
  *,OneDNN,*) needs+=("test -e /usr/include/oneapi/dnnl/dnnl.h=libdnnl-dev") ;; # products of bf16
esac

missing=()
for need in "${needs[@]}"; do
  ${need%=*} >/dev/null 2>&1 || missing+=("${need##*=}")
done

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "missing, and no apt-get here to install them: ${missing[*]}" >&2
    exit 1
  fi
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "Installing what is missing to build and fetch: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1 || true)
major=${found%%.*} minor=${found##*.}
if [ -z "$found" ] || [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 1 ]; }; then
  echo "Swift 6.1 or later is needed (found: ${found:-none}); see https://www.swift.org/install/linux" >&2
  exit 1
fi
