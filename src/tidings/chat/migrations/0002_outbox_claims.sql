-- A change is numbered first (its notice is in the log), told second, each by one process at a time.
ALTER TABLE outbox ADD COLUMN seq bigint; -- NULL: no number yet; 0: an event alone
ALTER TABLE outbox ADD COLUMN at_ms bigint NOT NULL DEFAULT 0;
UPDATE outbox SET seq = 0 WHERE notice IS NULL;
-- Who works on the outbox of a chat. One that lapsed is taken over; what its holder does after that is refused.
CREATE TABLE outbox_claims (
    name text PRIMARY KEY,
    token text NOT NULL,
    instance text NOT NULL,
    until_ms bigint NOT NULL
);
