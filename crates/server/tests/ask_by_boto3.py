"""Asks a server everything that it answers, by boto3, and compares each answer, as it came, with botocore's model.

The endpoint is the first argument. The last line is `ok` and the number of answers that were looked at.
"""

import datetime
import json
import re
import sys

import boto3
import botocore.config
import botocore.exceptions

checked = 0


def check(shape, value, where):
    """Raises an error if the model has no such value there."""
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), f"{where}: no structure: {value!r}"
        for name, member in value.items():
            assert name in shape.members, f"{where}.{name}: the model has no such member"
            check(shape.members[name], member, f"{where}.{name}")
        for name in shape.required_members:
            assert name in value, f"{where}.{name}: the model requires it"
    elif kind == "list":
        assert isinstance(value, list), f"{where}: no list: {value!r}"
        for index, member in enumerate(value):
            check(shape.member, member, f"{where}[{index}]")
    elif kind == "map":
        assert isinstance(value, dict), f"{where}: no map: {value!r}"
    elif kind in ("integer", "long"):
        assert isinstance(value, int) and not isinstance(value, bool), f"{where}: {value!r}"
        # FailedRecordCount is of a shape from 1 on, and 0 in the service's own examples.
        if not where.endswith("FailedRecordCount"):
            assert value >= shape.metadata.get("min", value), f"{where}: {value} is too small"
            assert value <= shape.metadata.get("max", value), f"{where}: {value} is too large"
    elif kind == "timestamp":
        assert isinstance(value, (int, float)), f"{where}: {value!r}"
    elif kind == "boolean":
        assert isinstance(value, bool), f"{where}: {value!r}"
    elif kind in ("string", "blob"):
        assert isinstance(value, str), f"{where}: {value!r}"
        if kind == "string":
            pattern = shape.metadata.get("pattern")
            assert not pattern or re.fullmatch(pattern, value), f"{where}: {value!r} is not {pattern}"
            values = getattr(shape, "enum", None)
            assert not values or value in values, f"{where}: {value!r} is none of {values}"
            assert len(value) >= shape.metadata.get("min", 0), f"{where}: {value!r} is too short"
            assert len(value) <= shape.metadata.get("max", len(value)), f"{where}: it is too long"
    else:
        raise AssertionError(f"{where}: what is a {kind}?")


def before_parse(operation_model, response_dict, **_):
    global checked
    checked += 1
    body = response_dict["body"]
    assert len(response_dict["headers"]["x-amzn-requestid"]) == 36
    if response_dict["status_code"] != 200:
        answer = json.loads(body)
        assert set(answer) == {"__type", "message"}, answer
    elif operation_model.output_shape is None:
        assert body == b"", f"{operation_model.name}: the model has no answer: {body!r}"
    else:
        check(operation_model.output_shape, json.loads(body), operation_model.name)


def refused(call, code, **arguments):
    """The call is refused with this code, which the model of the operation or of all operations has."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, f"{code}: {found}"
        assert found["Message"], f"{code}: it says nothing"
        return
    raise AssertionError(f"{code}: it is not refused")


def records_of(client, arn, shard, **more):
    """All records of a shard, and the last answer."""
    more = more or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = client.get_shard_iterator(StreamARN=arn, ShardId=shard, **more)["ShardIterator"]
    records = []
    while True:
        answer = client.get_records(ShardIterator=iterator, StreamARN=arn)
        records += answer["Records"]
        iterator = answer.get("NextShardIterator")
        if not iterator or not answer["Records"]:
            return records, answer


def main(endpoint):
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60),
    )
    client.meta.events.register("before-parse.kinesis", before_parse)
    exceptions = client.exceptions

    # Streams.
    client.create_stream(StreamName="boto", ShardCount=2, Tags={"made": "by boto3"})
    client.get_waiter("stream_exists").wait(StreamName="boto")
    summary = client.describe_stream_summary(StreamName="boto")["StreamDescriptionSummary"]
    arn = summary["StreamARN"]
    assert (summary["OpenShardCount"], summary["StreamStatus"]) == (2, "ACTIVE")
    made = summary["StreamCreationTimestamp"]
    assert abs(datetime.datetime.now(made.tzinfo) - made) < datetime.timedelta(minutes=5)
    client.create_stream(StreamName="on-demand", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert client.describe_stream(StreamName="on-demand")["StreamDescription"]["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    names = [name for page in client.get_paginator("list_streams").paginate(Limit=1) for name in page["StreamNames"]]
    assert names == ["boto", "on-demand"], names
    refused(client.create_stream, "ResourceInUseException", StreamName="boto", ShardCount=1)

    # Records.
    one = client.put_record(StreamARN=arn, Data=b"\x00\xff one", PartitionKey="k\u00e9y", ExplicitHashKey="0")
    assert one["ShardId"] == "shardId-000000000000"
    many = [{"Data": bytes([n % 256]) * n, "PartitionKey": f"key-{n}"} for n in range(500)]
    answer = client.put_records(StreamName="boto", Records=many)
    assert answer["FailedRecordCount"] == 0
    placed = {(result["ShardId"], result["SequenceNumber"]): record for result, record in zip(answer["Records"], many)}
    placed[(one["ShardId"], one["SequenceNumber"])] = {"Data": b"\x00\xff one", "PartitionKey": "k\u00e9y"}
    found = {}
    for shard in ("shardId-000000000000", "shardId-000000000001"):
        records, last = records_of(client, arn, shard)
        assert last["MillisBehindLatest"] == 0
        for record in records:
            found[(shard, record["SequenceNumber"])] = {name: record[name] for name in ("Data", "PartitionKey")}
    assert found == placed
    number = one["SequenceNumber"]
    for kind, first in (("AT_SEQUENCE_NUMBER", number), ("AFTER_SEQUENCE_NUMBER", None)):
        records, _ = records_of(client, arn, one["ShardId"], ShardIteratorType=kind, StartingSequenceNumber=number)
        assert (records[0]["SequenceNumber"] == number) == (first is not None)
    records, _ = records_of(client, arn, one["ShardId"], ShardIteratorType="AT_TIMESTAMP", Timestamp=made)
    assert records[0]["SequenceNumber"] == number
    assert records_of(client, arn, one["ShardId"], ShardIteratorType="LATEST")[0] == []
    refused(client.put_record, "ResourceNotFoundException", StreamName="nowhere", Data=b"", PartitionKey="k")
    refused(client.put_record, "InvalidArgumentException", StreamName="boto", Data=bytes(1 << 20), PartitionKey="k")
    refused(client.get_records, "InvalidArgumentException", ShardIterator="none")

    # Larger records.
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    client.put_record(StreamName="boto", Data=bytes(1 << 20), PartitionKey="k")

    # Shards.
    middle = 1 << 126
    client.split_shard(StreamName="boto", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(middle))
    _, last = records_of(client, arn, "shardId-000000000000")
    assert [child["ShardId"] for child in last["ChildShards"]] == ["shardId-000000000002", "shardId-000000000003"]
    client.merge_shards(
        StreamName="boto", ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000003"
    )
    scaled = client.update_shard_count(StreamName="boto", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    assert (scaled["CurrentShardCount"], scaled["TargetShardCount"]) == (2, 4)
    # Not by the paginator: it repeats the name beside the token, which the service refuses.
    page = client.list_shards(StreamName="boto", MaxResults=3)
    shards = page["Shards"]
    while "NextToken" in page:
        page = client.list_shards(NextToken=page["NextToken"], MaxResults=3)
        shards += page["Shards"]
    refused(client.list_shards, "InvalidArgumentException", StreamName="boto", NextToken="any")
    assert len(shards) == 9, len(shards)
    described = client.get_paginator("describe_stream").paginate(StreamName="boto", PaginationConfig={"PageSize": 4})
    assert [shard for page in described for shard in page["StreamDescription"]["Shards"]] == shards
    latest = client.list_shards(StreamName="boto", ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert len(latest) == 4 and all("EndingSequenceNumber" not in shard["SequenceNumberRange"] for shard in latest)
    at = client.list_shards(StreamName="boto", ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": made})["Shards"]
    assert [shard["ShardId"] for shard in at] == ["shardId-000000000000", "shardId-000000000001"]
    refused(
        client.split_shard,
        "ResourceNotFoundException",
        StreamName="boto",
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey="7",
    )

    # Tags.
    client.add_tags_to_stream(StreamName="boto", Tags={"stage": "test"})
    tags = client.list_tags_for_stream(StreamName="boto")
    assert tags["Tags"] == [{"Key": "made", "Value": "by boto3"}, {"Key": "stage", "Value": "test"}]
    client.remove_tags_from_stream(StreamName="boto", TagKeys=["made"])
    assert len(client.list_tags_for_stream(StreamName="boto")["Tags"]) == 1

    # The end.
    client.delete_stream(StreamName="boto", EnforceConsumerDeletion=True)
    client.get_waiter("stream_not_exists").wait(StreamName="boto")
    try:
        client.describe_stream(StreamName="boto")
        raise AssertionError("it is gone")
    except exceptions.ResourceNotFoundException:
        pass
    print("ok", checked)


if __name__ == "__main__":
    main(sys.argv[1])
