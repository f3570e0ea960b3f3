"""A hundred rounds at once, as tests/system/test_many_rounds.py plays and checks them.

Models have 1,000 parameters. What one of them holds in memory while it is open is the
peer of the memory that the coordinator needs for each round.
"""

import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

from fleet import Fleet  # noqa: E402
from test_many_rounds import PARTICIPANTS, ROUNDS, play  # noqa: E402

PARAMETERS = 1000


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    try:
        rate, per_round, peak = play(fleet, seed=1, params=PARAMETERS)
        print(f"many/rounds: rounds={ROUNDS} participants={PARTICIPANTS} "
              f"parameters={PARAMETERS} rounds_per_second={rate:.1f} "
              f"updates_per_second={rate * PARTICIPANTS:.0f} kib_per_round={per_round:.0f} "
              f"ratio_to_model={per_round * 1024 / (PARAMETERS * 4):.1f} "
              f"peak_rss_mib={peak / 1024:.0f}", flush=True)
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
