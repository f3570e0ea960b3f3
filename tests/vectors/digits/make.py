"""Makes the test vectors of this folder from the reference, fedavg.py and fl_data.py.

usage: make.py BASELINE_FOLDER [OUT_FOLDER]

Needs numpy, scikit-learn and safetensors. fedavg.py is run as it is, once per
model, but for one line that keeps the initial parameters; what its variables
hold afterwards is written down. See README.md for the files.
"""

import contextlib
import io
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

SEED = 1
MAX_VALUE = 16
SIDE = 8
NAMES = ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"]
MARK = "def fwd(W,X):"


def run(baseline, model):
    """fedavg.py's variables after 20 rounds; `initial` holds the first parameters."""
    source = (baseline / "fedavg.py").read_text()
    assert source.count(MARK) == 1
    source = source.replace(MARK, "initial=[w.copy() for w in W]\n" + MARK)
    sys.argv = ["fedavg.py", "digits", model, str(SEED)]
    variables = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "fedavg.py", "exec"), variables)
    return variables


def idx(values):
    """Yann LeCun's IDX format: unsigned bytes, big-endian dimensions."""
    head = bytes([0, 0, 8, values.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def write_examples(out, name, x, y):
    pixels = np.rint(x * MAX_VALUE).astype(np.uint8).reshape(-1, SIDE, SIDE)
    assert np.array_equal(pixels.reshape(len(y), -1).astype(np.float32) / MAX_VALUE, x)
    (out / f"{name}-images.idx3-ubyte").write_bytes(idx(pixels))
    (out / f"{name}-labels.idx1-ubyte").write_bytes(idx(y.astype(np.uint8)))


def main():
    baseline = pathlib.Path(sys.argv[1]).resolve()
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else here
    sys.path.insert(0, str(baseline))
    expected = {"seed": SEED, "max_value": MAX_VALUE}

    for model in ["lr", "mlp"]:
        v = run(baseline, model)
        # One text only: with two, the library's order of them is not the same each time.
        save_file(dict(zip(NAMES, v["initial"])), out / f"{model}-initial.safetensors",
                  metadata={"version": "0"})
        expected[model] = v["acc"]
        expected.update(rounds=v["R"], epochs=v["E"], batch_size=v["B"],
                        learning_rate=v["lr"])

    write_examples(out, "train", v["X"], v["y"])
    write_examples(out, "test", v["Xt"], v["yt"])
    expected["num_samples"] = [len(part) for part in v["parts"]]
    for client, part in enumerate(v["parts"]):
        np.savetxt(out / f"partition-{client}.txt", part, fmt="%d")
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
