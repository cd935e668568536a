CREATE TABLE people (
    id uuid PRIMARY KEY,
    phone text UNIQUE,                 -- E.164; null once deleted
    name text NOT NULL DEFAULT '',
    about text,
    avatar_media_id uuid,
    last_seen timestamptz,
    deleted boolean NOT NULL DEFAULT false,
    -- privacy: everyone, contacts (whom this person has as a contact) or nobody
    see_last_seen text NOT NULL DEFAULT 'everyone',
    see_online text NOT NULL DEFAULT 'everyone',
    see_avatar text NOT NULL DEFAULT 'everyone',
    see_about text NOT NULL DEFAULT 'everyone',
    add_to_groups text NOT NULL DEFAULT 'everyone',
    read_receipts boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE contacts (
    owner_id uuid NOT NULL REFERENCES people (id),
    user_id uuid NOT NULL REFERENCES people (id),
    name text,
    by_phone boolean NOT NULL DEFAULT false,  -- the owner knew the number, and so may see it
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, user_id)
);

CREATE TABLE blocks (
    owner_id uuid NOT NULL REFERENCES people (id),
    user_id uuid NOT NULL REFERENCES people (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, user_id)
);
CREATE INDEX blocks_of ON blocks (user_id);

CREATE TABLE devices (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES people (id),
    session_id uuid NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, kind, address)
);
CREATE INDEX devices_session ON devices (session_id);
