-- Whose number it is. Deleting an account removes the row: the number's next owner is somebody else.
CREATE TABLE identities (
    phone      text PRIMARY KEY,
    user_id    uuid NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id                uuid PRIMARY KEY,
    user_id           uuid NOT NULL,
    device_name       text NOT NULL,
    platform          text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    last_seen_at      timestamptz NOT NULL DEFAULT now(),
    refresh_ends_at   timestamptz NOT NULL,
    access_ends_at    timestamptz NOT NULL, -- of the access token given last
    ended_at          timestamptz,
    user_service_told boolean NOT NULL DEFAULT false -- that the session ended: its push targets go
);
CREATE INDEX sessions_alive ON sessions (user_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_untold ON sessions (ended_at) WHERE ended_at IS NOT NULL AND NOT user_service_told;

-- Every refresh token a session had, as SHA-256 (they are 256 random bits). A spent one that comes again was stolen.
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    spent      boolean NOT NULL DEFAULT false
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
