#!/usr/bin/env bash
# pypi.sh FOLDER PACKAGE: installs PACKAGE, as pypi.txt pins it, into FOLDER/PACKAGE, once.
set -eu -o pipefail
folder=$1 package=$2
pin=$(grep "^$package==" "$(dirname "$0")/pypi.txt")
[ "$(cat "$folder/$package/pin" 2>/dev/null)" != "$pin" ] || exit 0

echo "Installing $pin into $folder" >&2
mkdir -p "$folder"
rm -rf "${folder:?}/$package"
# Debian's venv has no pip of its own without another package: pip installs from outside.
python3 -m venv --without-pip "$folder/$package"
python3 -m pip --python "$folder/$package/bin/python" --disable-pip-version-check install -q \
  --only-binary=:all: "$pin" >&2
echo "$pin" >"$folder/$package/pin"
