#!/usr/bin/env python3
"""Copies what the benchmarks print, and ends with one table of all figures that have a
target. usage: bench/run BUILD_FOLDER | bench/table.py"""

import sys

FIGURES = ("ratio", "ratio_to_10", "ratio_to_model", "ratio_to_flower", "peak_rss_mb",
           "everything_else")


def row(line):
    """`name: key=value … target=T ok|short` as cells, or None."""
    name, _, rest = line.partition(": ")
    words = rest.split()
    values = dict(word.split("=", 1) for word in words if "=" in word)
    if "target" not in values or words[-1] not in ("ok", "short"):
        return None
    figure = next((f for f in FIGURES if f in values), None)
    shown = "" if figure is None else f"{figure} {values[figure]}"
    return f"| {name} | {shown} | {values['target']} | {words[-1]} |"


def main():
    machine, rows = "", []
    for line in sys.stdin:
        print(line, end="", flush=True)
        if line.startswith("machine: "):
            machine = line.removeprefix("machine: ").strip()
        found = row(line.strip())
        if found is not None:
            rows.append(found)
    print(f"\n{machine}\n\n| work | figure | target | |\n|---|---|---|---|")
    print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
