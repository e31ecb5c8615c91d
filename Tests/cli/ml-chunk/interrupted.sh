# INT and TERM remove the half-written output and end with 128 + the signal.
# needs: ml-chunk model
for signal in INT TERM; do
  mkfifo text
  # A background job of a script ignores INT, so it is started by a shell that does not.
  python3 - "$signal" <<'PY'
import os, signal, subprocess, sys, time
process = subprocess.Popen(
    ["ml-chunk", "-q", "--tokenizer", os.environ["MODEL"], "-o", "out.mls", "text"],
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
text = open("text", "w")
text.write('{"text": "It is a truth universally acknowledged"}\n')
text.flush()
time.sleep(1.0)
process.send_signal(getattr(signal, "SIG" + sys.argv[1]))
status = process.wait(timeout=20)
print(sys.argv[1], 128 - status if status < 0 else status)
PY
  rm text
  ls -A
done
