"""Secure aggregation: what a round costs a device and the coordinator, beside Flower's
SecAgg+; and exact noise.

Ours and the peers' times are taken in turns, in one thread each; of each figure the least
over its turns counts, which is what the work takes when nothing else disturbs it. Every
round ends with the sum of the survivors' updates compared word for word, or there are no
rows. A tenth of the devices drop out after they have dealt their shares.
"""

import functools
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = pathlib.Path(os.environ["FML_BUILD"]) / "bin" / "secagg_bench"
PARAMS, TURNS = 1_000_000, 5
MASKS = 50  # at once, as a device or the coordinator applies them
# Devices, rounds, the words of the sum that are compared, and how often the sum is unmasked
# in each round. A thousand devices would mask whole vectors for minutes: nine of them do.
ROUNDS = [(10, 5, PARAMS, 5), (100, 3, PARAMS, 5), (1000, 1, 131_072, 3)]
MASK_TARGET, UPLOAD_TARGET, UNMASK_TARGET = 12, 0.5, 20
UNMASK_DEVICES = 100  # of whom ten drop out
KINDS = ("advertise", "roster", "shares", "boxes", "survivors", "confirm", "confirmed", "unmask")
CLIENT = ("keys", "roster", "boxes", "mask", "sign", "survivors", "confirmed")
SERVER = ("take", "tell", "close", "digest", "sum", "rebuild")  # and "remove", of the masks
SIGMAS, DRAWS, PEER_DRAWS = (1, 10, 10_000, 1_000_000), 1_000_000, 20_000


def line(name, **facts):
    print(f"{name}: " + " ".join(f"{key}={value}" for key, value in facts.items()), flush=True)


def row(name, reached, target, **facts):
    line(name, **facts, target=f"{target} {'ok' if reached else 'short'}")


def figures(*arguments):
    """The lines of a name and a number that one part prints."""
    out = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True,
                         text=True).stdout
    return {name: float(number) for name, number in map(str.split, out.splitlines())}


def least(runs):
    """Of each figure the least of all runs."""
    return {name: min(run[name] for run in runs) for name in runs[0]}


@functools.cache
def peers_python():
    done = subprocess.run([ROOT / "tools" / "peer-python"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def peer(what, *arguments):
    """None if the peer is not there or does not run here."""
    if peers_python() is None:
        return None
    done = subprocess.run([peers_python(), ROOT / "bench" / "secagg" / "peers.py", what,
                           *map(str, arguments)], capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def is_there(name, results):
    if None not in results:
        return True
    print(f"{name}: peer not available", flush=True)
    return False


def mask():
    """One of many masks on a vector."""
    ours, theirs = [], []
    for _ in range(TURNS):
        ours.append(figures("mask", PARAMS, MASKS, 1))
        theirs.append(peer("mask", PARAMS, MASKS))
    if not is_there("secagg/mask_1M", theirs):
        return
    mine, flowers = least(ours), min(theirs)
    ratio = flowers / mine["mask"]
    row("secagg/mask_1M", ratio >= MASK_TARGET, MASK_TARGET,
        milliseconds=f"{1000 * mine['mask']:.2f}",
        keystream_milliseconds=f"{1000 * mine['keystream']:.2f}",
        flower_milliseconds=f"{1000 * flowers:.2f}", ratio=f"{ratio:.1f}")


def parts(found, side, names):
    return {name: f"{found[f'{side}_{name}']:.4f}" for name in names}


def say_round(devices, found, checked):
    line(f"secagg/device_of_{devices}", params=PARAMS,
         seconds=f"{sum(found[f'client_{name}'] for name in CLIENT):.3f}",
         **parts(found, "client", CLIENT))
    before = sum(found[f"server_{name}"] for name in SERVER)
    for threads in (1, 2):  # the second one helps to take the masks off
        remove = found[f"server_remove_{threads}"]
        line(f"secagg/coordinator_of_{devices}", params=PARAMS, threads=threads,
             masks=f"{found['masks']:.0f}", seconds=f"{before + remove:.3f}",
             remove=f"{remove:.4f}", **parts(found, "server", SERVER),
             keystream_of_remove=f"{found['keystream'] / threads / remove:.2f}",
             exact_words=checked)


def rounds():
    """The figures of each size, and Flower's seconds from the shares to the sum."""
    found, theirs = {}, []
    for devices, turns, checked, repeats in ROUNDS:
        ours = []
        for _ in range(turns):
            ours.append(figures("round", devices, PARAMS, checked, repeats))
            if devices == UNMASK_DEVICES:
                theirs.append(peer("unmask", devices, devices // 10, PARAMS))
        found[devices] = least(ours)
        say_round(devices, found[devices], checked)
    return found, theirs


def sizes(found):
    """Bytes of the largest message of each kind, to and from one device."""
    for devices, numbers in found.items():
        line(f"secagg/bytes_of_{devices}",
             **{kind: f"{numbers[f'bytes_{kind}']:.0f}" for kind in KINDS})


def upload(mine):
    theirs = peer("upload", PARAMS)
    if not is_there("secagg/upload_1M", [theirs]):
        return
    row("secagg/upload_1M", mine / theirs <= UPLOAD_TARGET, UPLOAD_TARGET, bytes=f"{mine:.0f}",
        flower_bytes=f"{theirs:.0f}", ratio_to_flower=f"{mine / theirs:.3f}")


def unmask(mine, theirs):
    """From the shares that came back to the sum. Flower's work is scaled from a part."""
    for threads in (1, 2):
        name = f"secagg/unmask_{UNMASK_DEVICES}_threads_{threads}"
        if not is_there(name, theirs):
            continue
        seconds = mine["server_rebuild"] + mine[f"server_remove_{threads}"]
        ratio = min(theirs) / seconds
        row(name, ratio >= UNMASK_TARGET, UNMASK_TARGET, masks=f"{mine['masks']:.0f}",
            seconds=f"{seconds:.2f}", flower_seconds_scaled=f"{min(theirs):.1f}",
            ratio=f"{ratio:.1f}")


def noise():
    """Beside what its random bytes cost if nothing else did, and beside others' noise."""
    ours, others = [], {(what, sigma): [] for what in ("opendp", "numpy") for sigma in SIGMAS}
    for _ in range(TURNS):
        ours.append(figures("gauss", DRAWS, 1))
        for what, sigma in others:
            others[what, sigma].append(peer(what, sigma, PEER_DRAWS))
    mine = least(ours)
    for sigma in SIGMAS:
        draw, size = mine[f"draw_{sigma}"], mine[f"bytes_{sigma}"]
        facts = {"million_a_second": f"{1e-6 / draw:.2f}", "random_bytes": f"{size:.0f}",
                 "of_their_keystream": f"{size * mine['keystream_byte'] / draw:.2f}"}
        for what in ("opendp", "numpy"):
            if None not in others[what, sigma]:
                facts[f"{what}_million_a_second"] = f"{1e-6 / min(others[what, sigma]):.3f}"
                facts[f"ratio_{what}"] = f"{min(others[what, sigma]) / draw:.2f}"
        line(f"dp/noise_sigma_{sigma}", **facts)


def main():
    mask()
    found, flower_unmask = rounds()
    sizes(found)
    upload(found[10]["bytes_masked"])
    unmask(found[UNMASK_DEVICES], flower_unmask)
    noise()


if __name__ == "__main__":
    main()
