"""Other systems' work of the same kind.

usage: peers.py mask PARAMS MASKS               run by the Python of tools/peer-python
       peers.py upload PARAMS
       peers.py unmask DEVICES DROPPED PARAMS
       peers.py opendp SIGMA DRAWS
       peers.py numpy SIGMA DRAWS

Prints one number: seconds (of one mask, of all the unmasking, of one draw), or the bytes
of an upload. Flower's work is that of its SecAgg+ mod and workflow, call by call; models
have eight tensors of about the same size.
"""

import functools
import logging
import os
import sys
import time

import numpy

LAYERS = 8
MODULUS = 1 << 32  # Flower's default, as are the next two
CLIPPING, LEVELS = 8.0, 1 << 22
UNMASKED_SELVES = 5
logging.disable(logging.CRITICAL)


def shapes(params):
    sizes = [params // LAYERS] * (LAYERS - 1)
    return [(1,)] + [(size,) for size in [*sizes, params - sum(sizes)]]  # the weight before all


def seconds_of(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def flower():
    """What the mod and the workflow call."""
    from flwr.common.secure_aggregation.crypto import shamir
    from flwr.common.secure_aggregation import ndarrays_arithmetic, secaggplus_utils
    return shamir, ndarrays_arithmetic, secaggplus_utils.pseudo_rand_gen


def mask(params, masks):
    _, arithmetic, generate = flower()
    vector = [numpy.zeros(shape, numpy.int64) for shape in shapes(params)]

    def work():
        added = vector
        for _ in range(masks):
            added = arithmetic.parameters_addition(
                added, generate(os.urandom(32), MODULUS, shapes(params)))

    return seconds_of(work) / masks


def upload(params):
    """The reply of its mod with a masked vector, as it goes to the wire."""
    import importlib

    from flwr.common import ConfigRecord, RecordDict, ndarrays_to_parameters
    from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
    from flwr.common.serde import recorddict_to_proto

    # Its package has a function of the module's name.
    mod = importlib.import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")
    state = mod.SecAggPlusState(clipping_range=CLIPPING, target_range=LEVELS, mod_range=MODULUS,
                                max_weight=1000.0, rd_seed=os.urandom(32), threshold=1)
    rng = numpy.random.default_rng(1)
    update = [rng.standard_normal(shape, numpy.float32) for shape in shapes(params)[1:]]
    said = mod._collect_masked_vectors(  # with nobody else: masks do not change the size
        state, ConfigRecord({Key.CIPHERTEXT_LIST: [], Key.SOURCE_LIST: []}), 100,
        ndarrays_to_parameters(update))
    content = RecordDict({RECORD_KEY_CONFIGS: ConfigRecord(said, False)})
    return recorddict_to_proto(content).ByteSize()


def unmask(devices, dropped, params):
    """The loop of SecAggPlusWorkflow.unmask_stage(), from the shares on. It takes minutes for a
    hundred devices, so that it is done for a few of either kind, and that is multiplied."""
    from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
    from flwr.supercore.primitives.asymmetric import (
        bytes_to_private_key, bytes_to_public_key, generate_key_pairs, private_key_to_bytes,
        public_key_to_bytes)
    shamir, arithmetic, generate = flower()

    pairs = [generate_key_pairs() for _ in range(devices)]
    publics = [public_key_to_bytes(public) for _, public in pairs]
    vector = [numpy.zeros(shape, numpy.int64) for shape in shapes(params)]
    dimensions = arithmetic.get_parameters_shape(vector)

    def returned(secret):
        # Every device that is left gives its share, and they are all combined.
        return shamir.create_shares(secret, 2 * devices // 3 + 1, devices)[dropped:]

    def take_off_self(vector, shares):
        seed = shamir.combine_shares(shares)
        return arithmetic.parameters_subtraction(vector, generate(seed, MODULUS, dimensions))

    def take_off_pairs(vector, shares, dropped_one):
        secret = shamir.combine_shares(shares)
        for other in range(devices):  # also those that dropped out, whose masks cancel out
            if other == dropped_one:
                continue
            seed = generate_shared_key(bytes_to_private_key(secret),
                                       bytes_to_public_key(publics[other]))
            apply = (arithmetic.parameters_addition if dropped_one > other
                     else arithmetic.parameters_subtraction)
            vector = apply(vector, generate(seed, MODULUS, dimensions))
        return vector

    selves = [returned(os.urandom(32)) for _ in range(UNMASKED_SELVES)]
    pair = returned(private_key_to_bytes(pairs[0][0]))
    total = seconds_of(lambda: functools.reduce(take_off_self, selves, vector))
    total *= (devices - dropped) / len(selves)
    return total + dropped * seconds_of(lambda: take_off_pairs(vector, pair, 0))


def opendp(sigma, draws):
    """Exact discrete noise on a vector of whole numbers."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    noise = dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T="i64")),
                               dp.l2_distance(T=float), scale=float(sigma))
    zeros = [0] * draws
    return seconds_of(lambda: noise(zeros)) / draws


def of_numpy(sigma, draws):
    """Floating point noise, not exact and not secret: what exactness costs."""
    rng = numpy.random.default_rng(1)
    return seconds_of(lambda: numpy.rint(rng.normal(0, sigma, draws)).astype(numpy.int64)) / draws


def main():
    what, *numbers = sys.argv[1:]
    work = {"mask": mask, "upload": upload, "unmask": unmask, "opendp": opendp,
            "numpy": of_numpy}[what]
    print(f"{work(*map(int, numbers)):.12g}")


if __name__ == "__main__":
    main()
