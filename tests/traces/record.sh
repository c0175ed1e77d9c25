#!/bin/sh
# Records served.trace anew: a load over HTTP into a server on which things go wrong. Run it in this folder.
set -eu
headwaters serve --stream orders:3 --faults served.toml --port 4599 &
trap 'kill $!' EXIT
headwaters gen --seed 7 --records 1500 --keys 60 --size 50..900 --rate 1500 |
    headwaters put orders --endpoint-url http://127.0.0.1:4599 --region us-east-1 --key-field .key \
        --retry exponential --trace served.trace --quiet
