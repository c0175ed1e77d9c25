"""The contestants that are written in Python, each in a process of its own: see main.rs.

Arguments: its name, the server's URL, whom to trust, the size of a record. Each line of input is a number of requests of 500
records; the answer is the CPU time that they took, in nanoseconds, and how many records were confirmed.
"""

import asyncio
import itertools
import sys
import time

BATCH = 500
STREAM = "orders"
# As many aggregates as make 2 MB, as large as the KPL makes them.
AGGREGATES, AGGREGATE_BYTES = 40, 51_200


def records(size):
    payload = lambda number: bytes((number * 31 + at * 7) % 251 for at in range(size))
    return [(f"partition-key-of-32-bytes-{number:06}", payload(number)) for number in range(4 * BATCH)]


def kinesis(url):
    import boto3

    return boto3.client("kinesis", endpoint_url=url, region_name="us-east-1")


def put(client, entries):
    answer = client.put_records(StreamName=STREAM, Records=entries)
    if answer["FailedRecordCount"] != 0 or len(answer["Records"]) != len(entries):
        raise RuntimeError("not all was stored")


def boto3_loop(url, size):
    client, pool = kinesis(url), records(size)

    def run(requests):
        for request in range(requests):
            chunk = pool[request % 4 * BATCH :][:BATCH]
            put(client, [{"Data": data, "PartitionKey": key} for key, data in chunk])
        return requests * BATCH

    return run


def aggregated(url, size):
    from aws_kinesis_agg.aggregator import RecordAggregator

    client, pool = kinesis(url), records(size)

    def run(requests):
        aggregator, full = RecordAggregator(max_size=AGGREGATE_BYTES), []

        def send(least):
            if len(full) >= least:
                put(client, full)
                full.clear()

        def take(aggregate):
            if aggregate:
                # No record here has a hash key of its own.
                key, _, data = aggregate.get_contents()
                full.append({"Data": data, "PartitionKey": key})

        for key, data in itertools.islice(itertools.cycle(pool), requests * BATCH):
            take(aggregator.add_user_record(key, data))
            send(AGGREGATES)
        take(aggregator.clear_and_get())
        send(1)
        return requests * BATCH

    return run


def async_kinesis(url, size, is_packed):
    from kinesis import Producer
    from kinesis.processors import KPLStringProcessor, Processor, StringProcessor

    # It puts texts; bytes of the same length are the least that its serialisers can be given.
    pool = [(None if is_packed else key, data.decode("latin-1").encode("ascii", "replace").decode())
            for key, data in records(size)]
    loop, confirmed = asyncio.new_event_loop(), 0

    async def count(items):
        nonlocal confirmed
        confirmed += sum(item.n for item in items)

    async def start():
        producer = Producer(
            STREAM,
            endpoint_url=url,
            region_name="us-east-1",
            after_flush_fun=count,
            processor=KPLStringProcessor() if is_packed else StringProcessor(),
            # Rates that never hold it back.
            put_rate_limit_per_shard=10**12,
            put_bandwidth_limit_per_shard=10**12,
            skip_describe_stream=True,
        )
        await producer.start()
        return producer

    producer = loop.run_until_complete(start())

    async def deliver(requests):
        nonlocal confirmed
        confirmed = 0
        for key, data in itertools.islice(itertools.cycle(pool), requests * BATCH):
            await producer.put(data, partition_key=key)
        await producer.flush()
        return confirmed

    def run(requests):
        return loop.run_until_complete(deliver(requests))

    run.close = lambda: loop.run_until_complete(producer.__aexit__(None, None, None))
    return run


CONTESTANTS = {
    "boto3": boto3_loop,
    "agg-boto3": aggregated,
    "async-kinesis": lambda url, size: async_kinesis(url, size, False),
    "async-kinesis-kpl": lambda url, size: async_kinesis(url, size, True),
}


def main():
    name, url, _, size = sys.argv[1:]
    run = CONTESTANTS[name](url, int(size))
    print("ready", flush=True)
    for line in sys.stdin:
        before = time.process_time_ns()
        confirmed = run(int(line))
        print(time.process_time_ns() - before, confirmed, flush=True)
    getattr(run, "close", lambda: None)()


main()
