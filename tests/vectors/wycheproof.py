#!/usr/bin/env python3
"""Reduces two files of Project Wycheproof to what the tests here read.

usage: wycheproof.py TESTVECTORS_V1_FOLDER [OUT_FOLDER]
"""
import json
import pathlib
import sys

NOTE = """\
# {title}, all {count} cases of {source} of Project Wycheproof (C2SP/wycheproof,
# testvectors_v1), reduced to one line each by wycheproof.py.
# By the authors of Project Wycheproof, under the Apache License, Version 2.0
# (http://www.apache.org/licenses/LICENSE-2.0); changed in form only.
# {columns}    (hexadecimal; "-": empty)
"""


def write(folder, out, name, title, columns):
    source = name + "_test.json"
    vectors = json.loads((folder / source).read_text())
    lines = [NOTE.format(title=title, source=source, count=vectors["numberOfTests"],
                         columns=" ".join(columns))]
    for group in vectors["testGroups"]:
        for test in group["tests"]:
            fields = dict(test, key=group.get("publicKey", {}).get("pk"),
                          flags=",".join(test["flags"]))
            lines.append(" ".join(str(fields[c]) or "-" for c in columns) + "\n")
    assert len(lines) == 1 + vectors["numberOfTests"]
    (out / (name + "_wycheproof.txt")).write_text("".join(lines))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else pathlib.Path(__file__).parent)
    write(folder, out, "ed25519", "Ed25519 signatures",
          ["tcId", "result", "key", "msg", "sig", "flags"])
    write(folder, out, "x25519", "X25519 key agreements",
          ["tcId", "result", "public", "private", "shared", "flags"])


main()
