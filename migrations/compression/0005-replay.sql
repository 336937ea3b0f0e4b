-- Events that came through Kafka and are replayed: the consumer asks before each batch whether a key has any.
create index outbox_replay on compression.outbox (key) where headers ? 'kafka.offset';
