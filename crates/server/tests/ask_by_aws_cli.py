"""Asks a server everything that it answers by the AWS command line, whose commands run in this process.

The endpoint is the first argument. The last line is `ok` and the number of commands.
"""

import base64
import contextlib
import io
import json
import os
import sys

os.environ |= {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_PAGER": "",
}
from awscli.clidriver import create_clidriver

commands = 0


def run(endpoint, words):
    """What `aws kinesis` says to these words: its exit code, its output, its complaint."""
    global commands
    commands += 1
    out, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaint):
        code = create_clidriver().main(["kinesis", *words, "--endpoint-url", endpoint, "--output", "json"])
    return code, out.getvalue(), complaint.getvalue()


def main(endpoint):
    def aws(*words):
        code, out, complaint = run(endpoint, words)
        assert code == 0, f"{words}: {code}: {complaint}"
        return json.loads(out) if out.strip() else None

    def refused(code, *words):
        status, _, complaint = run(endpoint, words)
        assert status != 0 and f"({code})" in complaint, f"{words}: {status}: {complaint}"

    def records_of(shard, *more):
        words = more or ("--shard-iterator-type", "TRIM_HORIZON")
        iterator = aws("get-shard-iterator", "--stream-name", "cli", "--shard-id", shard, *words)["ShardIterator"]
        answer = aws("get-records", "--shard-iterator", iterator, "--limit", "100")
        return [(record["PartitionKey"], base64.b64decode(record["Data"])) for record in answer["Records"]]

    # Streams.
    aws("create-stream", "--stream-name", "cli", "--shard-count", "2", "--tags", "made=by-the-command-line")
    aws("wait", "stream-exists", "--stream-name", "cli")
    summary = aws("describe-stream-summary", "--stream-name", "cli")["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["StreamStatus"]) == (2, "ACTIVE"), summary
    arn = summary["StreamARN"]
    assert aws("list-streams")["StreamNames"] == ["cli"]
    refused("ResourceInUseException", "create-stream", "--stream-name", "cli", "--shard-count", "1")
    refused("ResourceNotFoundException", "describe-stream", "--stream-name", "nowhere")

    # Records.
    one = aws("put-record", "--stream-arn", arn, "--data", "one", "--partition-key", "k", "--explicit-hash-key", "0")
    assert one["ShardId"] == "shardId-000000000000", one
    many = json.dumps([{"Data": f"number {n}", "PartitionKey": f"key-{n}"} for n in range(40)])
    answer = aws("put-records", "--stream-name", "cli", "--records", many)
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 40, answer
    found = [record for shard in (0, 1) for record in records_of(f"shardId-{shard:012}")]
    assert sorted(found) == sorted([("k", b"one")] + [(f"key-{n}", f"number {n}".encode()) for n in range(40)]), found
    after = ("--shard-iterator-type", "AFTER_SEQUENCE_NUMBER", "--starting-sequence-number", one["SequenceNumber"])
    assert ("k", b"one") not in records_of(one["ShardId"], *after)
    refused("ResourceNotFoundException", "put-record", "--stream-name", "nowhere", "--data", "x", "--partition-key", "k")

    # Shards.
    middle = str(1 << 126)
    aws("split-shard", "--stream-name", "cli", "--shard-to-split", "shardId-000000000000", "--new-starting-hash-key", middle)
    shards = aws("list-shards", "--stream-name", "cli", "--shard-filter", "Type=AT_LATEST")["Shards"]
    assert [shard["ShardId"][-1] for shard in shards] == ["1", "2", "3"], shards
    aws("merge-shards", "--stream-name", "cli", "--shard-to-merge", shards[1]["ShardId"], "--adjacent-shard-to-merge", shards[2]["ShardId"])
    counts = aws("update-shard-count", "--stream-name", "cli", "--target-shard-count", "4", "--scaling-type", "UNIFORM_SCALING")
    assert (counts["CurrentShardCount"], counts["TargetShardCount"]) == (2, 4), counts
    assert len(aws("describe-stream", "--stream-name", "cli")["StreamDescription"]["Shards"]) == 9
    aws("update-max-record-size", "--stream-arn", arn, "--max-record-size-in-ki-b", "2048")

    # Tags, and the end.
    aws("add-tags-to-stream", "--stream-name", "cli", "--tags", "colour=blue")
    tags = {tag["Key"]: tag["Value"] for tag in aws("list-tags-for-stream", "--stream-name", "cli")["Tags"]}
    assert tags == {"made": "by-the-command-line", "colour": "blue"}, tags
    aws("remove-tags-from-stream", "--stream-name", "cli", "--tag-keys", "colour")
    aws("delete-stream", "--stream-name", "cli")
    aws("wait", "stream-not-exists", "--stream-name", "cli")
    print("ok", commands)


main(sys.argv[1])
