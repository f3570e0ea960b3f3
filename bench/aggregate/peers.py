"""Other systems' aggregation of the same work, in seconds.

usage: peers.py WHAT PARTICIPANTS PARAMS REPEATS, run by the Python of tools/peer-python.
WHAT: numpy, nvflare or flower.
Models have eight float32 tensors of about the same size. Prints the median of the
repeats; what is timed begins when all replies are in memory, as the server holds them.
"""

import logging
import statistics
import sys
import time

import numpy

LAYERS = 8
logging.disable(logging.CRITICAL)


def updates(participants, params):
    sizes = [params // LAYERS] * (LAYERS - 1)
    sizes.append(params - sum(sizes))
    draw = numpy.random.default_rng(1)
    for _ in range(participants):
        yield [draw.standard_normal(size, dtype=numpy.float32) for size in sizes]


# Each of_... gives the work to time.


def of_numpy(participants, params):
    """A weighted sum in float64, as a person would write it for large arrays."""
    arrays = [numpy.concatenate(layers) for layers in updates(participants, params)]
    weights = [100 + i for i in range(participants)]

    def mean():
        total = numpy.zeros(params, numpy.float64)
        product = numpy.empty(params, numpy.float64)
        for weight, array in zip(weights, arrays):
            numpy.multiply(array, float(weight), out=product)
            total += product
        return (total / sum(weights)).astype(numpy.float32)

    return mean


def of_nvflare(participants, params):
    from nvflare.app_common.aggregators.weighted_aggregation_helper import (
        WeightedAggregationHelper)

    replies = [{f"layer{j}": layer for j, layer in enumerate(layers)}
               for layers in updates(participants, params)]

    def mean():
        helper = WeightedAggregationHelper()
        for i, reply in enumerate(replies):
            helper.add(reply, float(100 + i), f"client{i}", 0)
        return helper.get_result()

    return mean


def of_flower(participants, params):
    """What strategy.start() of flwr.serverapp calls with the replies of a round."""
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.serverapp import strategy
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1
    arrays = [ArrayRecord(layers) for layers in updates(participants, params)]

    replies = []
    for i, record in enumerate(arrays):
        content = RecordDict({
            "arrays": record, "metrics": MetricRecord({"num-examples": 100 + i, "loss": 0.5})})
        replies.append(Message(content, dst_node_id=i + 1, message_type="train"))
    fedavg = strategy.FedAvg()
    return lambda: fedavg.aggregate_train(1, replies)[0]


def main():
    what, (participants, params, repeats) = sys.argv[1], map(int, sys.argv[2:5])
    work = {"numpy": of_numpy, "nvflare": of_nvflare, "flower": of_flower}[what](
        participants, params)
    assert work() is not None
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
        del result
    print(statistics.median(seconds))


if __name__ == "__main__":
    main()
