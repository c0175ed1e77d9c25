"""Reads and writes aggregates with the PyPI package aws-kinesis-agg, one JSON document a line."""
import base64
import json
import sys

from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def decode(data):
    record = {"kinesis": {"kinesisSchemaVersion": "1.0", "sequenceNumber": "1", "partitionKey": "outer",
                          "approximateArrivalTimestamp": 0, "data": data}}
    for member in iter_deaggregate_records([record]):
        inner = member["kinesis"]
        text = inner["data"]
        yield {"partition_key": inner["partitionKey"], "explicit_hash_key": inner.get("explicitHashKey"),
               "data": text if isinstance(text, str) else text.decode()}


def encode(records):
    aggregator = RecordAggregator()
    for record in records:
        data = base64.b64decode(record["data"])
        aggregator.add_user_record(record["partition_key"], data, record["explicit_hash_key"])
    _, _, data = aggregator.clear_and_get().get_contents()
    return base64.b64encode(data).decode()


for line in sys.stdin:
    work = json.loads(line)
    answer = list(decode(work["decode"])) if "decode" in work else encode(work["encode"])
    print(json.dumps(answer), flush=True)
