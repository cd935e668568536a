CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    phone text UNIQUE,               -- E.164; null once the account is deleted, so that the number is free again
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES accounts (id),
    device_name text NOT NULL,
    platform text NOT NULL,
    refresh_hash bytea NOT NULL,     -- SHA-256 of the refresh token in force
    previous_hash bytea,             -- of the one before: its use means that a token was stolen
    refresh_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id) WHERE revoked_at IS NULL;
