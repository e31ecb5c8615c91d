"""install.py: the peers' environment, made once."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def peers_python(folder, extra):
    """The python of `folder`, where each package of peers.txt and of `extra` was tried once."""
    python = os.path.join(folder, "bin", "python")
    wanted = [line.strip() for line in open(os.path.join(HERE, "peers.txt"), encoding="utf-8")]
    wanted = [line for line in wanted if line and not line.startswith("#")] + extra
    tried_file = os.path.join(folder, "tried.txt")
    tried = open(tried_file, encoding="utf-8").read().split() if os.path.exists(tried_file) else []
    missing = [package for package in wanted if package not in tried]
    if missing:
        print(f"Installing the peers into {folder}, once (some GB): {' '.join(missing)}", flush=True)
        # Debian's venv has no pip of its own without another package: pip installs from outside.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    for package in missing:
        command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
        try:
            done = subprocess.run(command + ["install", "-q", package], timeout=1800).returncode == 0
        except subprocess.TimeoutExpired:
            done = False
        if not done:
            print(f"absent: {package}", flush=True)
        with open(tried_file, "a", encoding="utf-8") as file:
            file.write(package + "\n")
    return python
