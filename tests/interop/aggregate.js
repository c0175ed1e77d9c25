// Reads and writes aggregates with the npm package aws-kinesis-agg, one JSON document a line.
const readline = require('readline');
const agg = require('aws-kinesis-agg');

function decode(data) {
  let members = [];
  let problem = null;
  const record = { data, sequenceNumber: '1', partitionKey: 'outer' };
  agg.deaggregateSync(record, true, (error, records) => {
    if (error) problem = String(error);
    else if (records) members = records;
  });
  if (problem) return { error: problem };
  return members.map((member) => ({
    partition_key: member.partitionKey,
    explicit_hash_key: member.explicitPartitionKey || null,
    data: member.data,
  }));
}

function encode(records) {
  let encoded = null;
  const aggregator = new agg.RecordAggregator();
  const parts = records.map((record) => ({
    partitionKey: record.partition_key,
    explicitHashKey: record.explicit_hash_key || undefined,
    data: Buffer.from(record.data, 'base64'),
  }));
  aggregator.aggregateRecords(parts, true, (error, record) => {
    if (error) throw error;
    encoded = record.data.toString('base64');
  });
  return encoded;
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const work = JSON.parse(line);
  console.log(JSON.stringify(work.decode !== undefined ? decode(work.decode) : encode(work.encode)));
});
