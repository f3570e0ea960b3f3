"""Where a program shall die: the page of fault.h, and sweeps over all its calls."""

import mmap
import struct

KINDS = ("write", "sync", "rename", "remove", "send")
# What a sweep goes through. After any other call comes, for the disk, the same as
# before the next one; what was sent is elsewhere.
STRIKES = tuple((kind, False) for kind in KINDS) + (("send", True),)
NUMBER = struct.Struct("=q")


class Page:
    """One program's, over all its lives."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(NUMBER.size * (2 * len(KINDS) + 1)))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)

    def _put(self, at, number):
        NUMBER.pack_into(self.map, at * NUMBER.size, number)

    def arm(self, strike, n):
        """The n-th call from now; only one strike is armed."""
        kind, after = strike
        self.disarm()
        self._put(2 * len(KINDS), int(after))
        self._put(KINDS.index(kind), n)

    def disarm(self):
        for at in range(len(KINDS)):
            self._put(at, 0)

    def calls(self):
        return [NUMBER.unpack_from(self.map, (len(KINDS) + at) * NUMBER.size)[0]
                for at in range(len(KINDS))]


class Sweep:
    """n = 1, 2, 3, ... for each strike in turn, until there is no n-th call to die at.

    Missed twice, as two rounds differ a little. Then it begins again.
    """

    def __init__(self, name):
        self.name, self.passes, self.kills = name, 0, 0
        self.begin()

    def begin(self):
        self.next = {strike: 1 for strike in STRIKES}
        self.misses = dict.fromkeys(STRIKES, 0)
        self.turn = list(STRIKES)

    def point(self):
        """(strike, n), to be answered with struck() or missed(), or with nothing: again."""
        strike = self.turn[0]
        return strike, self.next[strike]

    def struck(self, strike):
        self.kills += 1
        if strike in self.turn:
            self.next[strike] += 1
            self.misses[strike] = 0
            self.turn.append(self.turn.pop(self.turn.index(strike)))

    def missed(self, strike):
        self.misses[strike] += 1
        self.turn.append(self.turn.pop(self.turn.index(strike)))
        if self.misses[strike] == 2:
            self.turn.remove(strike)
        if not self.turn:
            self.passes += 1
            self.begin()
