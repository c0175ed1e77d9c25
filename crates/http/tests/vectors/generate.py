"""Writes botocore.json: what botocore signs, and which endpoints it chooses.

    pip install botocore==1.43.11 && python3 generate.py > botocore.json
"""

import datetime
import json
import random

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader

CHANCE = random.Random(8)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+="


def text(length):
    return "".join(CHANCE.choice(ALPHABET) for _ in range(length))


def signature():
    now = datetime.datetime.fromtimestamp(CHANCE.randrange(4_000_000_000), datetime.timezone.utc)
    region = CHANCE.choice(["us-east-1", "eu-central-1", "cn-north-1"])
    token = text(CHANCE.randrange(1, 400)) if CHANCE.random() < 0.5 else None
    credentials = Credentials("AKIA" + text(16), text(40), token)
    operation = CHANCE.choice(["PutRecords", "ListShards"])
    kind = CHANCE.choice(["json", "cbor"])
    body = CHANCE.randbytes(CHANCE.choice([0, 1, 55, 56, 64, 1_000]))
    host = f"kinesis.{region}.amazonaws.com" + CHANCE.choice(["", ":4567"])
    headers = {
        "Content-Type": f"application/x-amz-{kind}-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "User-Agent": "not signed",
    }
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: now.replace(tzinfo=None)
    botocore.auth.SigV4Auth(credentials, "kinesis", region).add_auth(request)
    return {
        "unix": int(now.timestamp()),
        "region": region,
        "access_key_id": credentials.access_key,
        "secret_access_key": credentials.secret_key,
        "session_token": token,
        "content_type": headers["Content-Type"],
        "target": headers["X-Amz-Target"],
        "host": host,
        "body": body.hex(),
        "authorization": request.headers["Authorization"],
    }


def endpoints():
    loader = Loader()
    partitions = loader.load_data("partitions")
    rules = loader.load_service_model("kinesis", "endpoint-rule-set-1")
    provider = EndpointProvider(rules, partitions)
    regions = [
        (region, partition["id"])
        for partition in partitions["partitions"]
        for region in partition["regions"]
        if "global" not in region
    ]
    for region, partition in regions + [("xx-new-1", "aws")]:
        for fips in (False, True):
            for dual_stack in (False, True):
                for operation in (None, "data", "control"):
                    arn = f"arn:{partition}:kinesis:{region}:123456789012:stream/orders"
                    known = {"StreamARN": arn, "OperationType": operation} if operation else {}
                    try:
                        found = provider.resolve_endpoint(
                            Region=region, UseFIPS=fips, UseDualStack=dual_stack, **known
                        )
                    except EndpointProviderError as error:
                        raise SystemExit(f"{region} {known}: {error}")
                    yield {
                        "region": region,
                        "partition": partition,
                        "fips": fips,
                        "dual_stack": dual_stack,
                        "operation": operation,
                        "url": found.url,
                    }


def lines(name, rows):
    rows = ",\n".join(json.dumps(row) for row in rows)
    return f'"{name}": [\n{rows}\n]'


signatures = lines("signatures", [signature() for _ in range(64)])
print("{" + signatures + ",\n" + lines("endpoints", endpoints()) + "}")
