"""bench.py: measures every tool on fixed inputs, its peers beside it in the same minutes (`make bench`).

Each round runs ours and then each peer, so that a busy machine troubles them alike; the best round counts.
Ours are whole processes, start and loading included; peers have loaded and warmed up before the clock runs.
"""

import argparse
import csv
import glob
import io
import os
import subprocess
import sys
import time

import cases
import install
import measure

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = [
    "work", "who", "version", "rate", "unit", "cores", "of_sgemm", "peak_mb", "ours_by_time",
    "ours_by_cpu", "rounds", "absent",
]


def run_case(case, budget, fewest):
    """Rounds of all contenders, at least `fewest`, until `budget` seconds are spent."""
    samples = {contender: [] for contender in case.contenders}
    for contender in case.contenders:
        contender.start()
    begin = time.perf_counter()
    for done in range(case.rounds):
        if done >= fewest and time.perf_counter() - begin > budget:
            break
        for contender in case.contenders:
            if not contender.absent and (sample := contender.run()):
                samples[contender].append(sample)
    for contender in case.contenders:
        contender.stop()
    return samples


def rows(case, samples, peak):
    """A row for each contender; ratios say how many times as fast ours, the first, is."""
    ours = None
    for contender in case.contenders:
        row = dict.fromkeys(COLUMNS, "") | {"work": case.work, "who": contender.label, "unit": case.unit}
        taken = samples[contender]
        if contender.absent or not taken:
            yield row | {"absent": contender.absent or "no round"}
            continue
        units = case.units_of(contender)
        best, cpu = min(taken, key=lambda sample: sample.seconds), min(sample.cpu for sample in taken)
        rate = units / best.seconds
        row |= {
            "version": contender.version, "rate": f"{case.shown(rate):.4g}", "rounds": len(taken),
            "cores": f"{best.cpu / best.seconds:.2f}", "peak_mb": f"{contender.memory:.0f}",
        }
        if case.flops:
            row["of_sgemm"] = f"{case.flops * rate / 1e9 / peak:.2f}"
        if ours is None:
            ours = (rate, units / cpu)
        else:
            row |= {"ours_by_time": f"{ours[0] / rate:.2f}", "ours_by_cpu": f"{ours[1] * cpu / units:.2f}"}
        yield row


def table(results):
    heads = ["work", "who", "rate", "cores", "sgemm", "MB", "ours, time", "ours, CPU", "best of"]
    lines, last = [heads], None
    for row in results:
        lines.append([
            "" if row["work"] == last else row["work"], f"{row['who']} {row['version']}".strip(),
            f"absent: {row['absent']}" if row["absent"] else f"{float(row['rate']):,.4g} {row['unit']}",
            row["cores"], f"{100 * float(row['of_sgemm']):.0f} %" if row["of_sgemm"] else "",
            row["peak_mb"], row["ours_by_time"] and row["ours_by_time"] + " x",
            row["ours_by_cpu"] and row["ours_by_cpu"] + " x", str(row["rounds"]),
        ])
        last = row["work"]
    widths = [max(len(line[i]) for line in lines if not line[2].startswith("absent")) for i in range(9)]
    return "\n".join(
        "  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def machine(threads, load):
    def first(path, key):
        found = [line.split(":", 1)[1].strip() for line in open(path) if line.startswith(key)]
        return found[0] if found else "unknown"

    memory = int(first("/proc/meminfo", "MemTotal").split()[0]) / 1e6
    return (
        f"{first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {memory:.0f} GB; {threads} threads; "
        f"load {load:.1f} before the start\n{measure.blas_name()}; Python {sys.version.split()[0]}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", default="full", choices=["full", "quick"])
    for name in ("--bin", "--model", "--retriever", "--text", "--work", "--venv"):
        parser.add_argument(name, required=True)
    parser.add_argument("--peers", default="", help="more packages for the peers' environment; none: no peers")
    parser.add_argument("--published", default="", help="a clone of the published MemLong")
    parser.add_argument("--reuse", action="store_true", help="take --venv as it is")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    options = parser.parse_args()
    options.texts = sorted(glob.glob(os.path.join(options.text, "*.jsonl")))
    if not options.texts:
        parser.error(f"no .jsonl files in {options.text}")
    return options


def main():
    options, load = arguments(), os.getloadavg()[0]
    python = None
    if options.reuse:
        python = os.path.join(options.venv, "bin", "python")
    elif options.peers != "none":
        python = install.peers_python(options.venv, options.peers.split())
    os.makedirs(options.work, exist_ok=True)
    log = open(os.path.join(options.work, "log"), "w")
    print(f"Measuring; messages go to {log.name}", flush=True)
    budget, fewest = (60, 3) if options.mode == "full" else (3, 1)
    end = time.perf_counter() + (1500 if options.mode == "full" else 90)
    peak, measured = measure.sgemm_peak(options.threads), []
    for case in cases.all_cases(options, python, log):
        left = end - time.perf_counter()
        samples = run_case(case, min(budget, left), fewest if left > 0 else 1)
        # The machine's best moment of all is the peak.
        peak = max(peak, measure.sgemm_peak(options.threads, 0.3))
        measured.append((case, samples))
        print("  " + case.work, flush=True)
    results = [row for case, samples in measured for row in rows(case, samples, peak)]
    version = subprocess.run([f"{options.bin}/ml-shard", "--version"], capture_output=True, text=True)
    text = (
        f"Regenerate with: make bench{'' if options.mode == 'full' else ' BENCH=quick'}\n\n"
        f"MemLong {version.stdout.strip()} on {machine(options.threads, load)}\nsgemm peak {peak:.0f} GFLOPS\n\n"
        f"{table(results)}\n\n{cases.NOTES}")
    print("\n" + text, end="")
    keep(options, text, results)


def keep(options, text, results):
    """A full run is recorded beside this file, any other in the work folder."""
    folder = HERE if options.mode == "full" and not options.only else options.work
    content = io.StringIO()
    writer = csv.DictWriter(content, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(results)
    for name, value in (("RESULTS", text), ("RESULTS.csv", content.getvalue())):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(value)
    for path in glob.glob(os.path.join(options.work, "*.vectors.mls")):
        os.remove(path)
    print(f"\nWritten: {folder}/RESULTS, {folder}/RESULTS.csv")


main()
