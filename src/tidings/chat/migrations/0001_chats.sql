CREATE TABLE chats (
    id text PRIMARY KEY,
    type text NOT NULL CHECK (type IN ('direct', 'group')),
    pair_key text UNIQUE,
    creator_id text NOT NULL,
    client_chat_id text,
    name text,
    description text,
    avatar_media_id text,
    send text NOT NULL DEFAULT 'all',
    edit_info text NOT NULL DEFAULT 'all',
    add_members text NOT NULL DEFAULT 'all',
    disappearing_s bigint,
    pinned_ids text[] NOT NULL DEFAULT '{}',
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    UNIQUE (creator_id, client_chat_id)
);
CREATE TABLE participants (
    chat_id text NOT NULL REFERENCES chats (id),
    user_id text NOT NULL,
    role text NOT NULL,
    membership text NOT NULL DEFAULT 'member',
    joined_seq bigint, -- NULL: the notice has no number yet
    left_seq bigint,
    joined_ms bigint NOT NULL,
    muted_until_ms bigint,
    pinned boolean NOT NULL DEFAULT false,
    archived boolean NOT NULL DEFAULT false,
    marked_unread boolean NOT NULL DEFAULT false,
    updated_ms bigint NOT NULL,
    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX participants_user ON participants (user_id);
CREATE TABLE invites (
    chat_id text PRIMARY KEY REFERENCES chats (id),
    code text NOT NULL UNIQUE,
    expires_ms bigint NOT NULL
);
CREATE TABLE outbox (
    id bigserial PRIMARY KEY, -- in order within a chat: its changes hold the chat's row
    change_id text NOT NULL UNIQUE,
    chat_id text NOT NULL,
    actor_id text NOT NULL,
    subject text NOT NULL,
    notice text, -- NULL: an event alone
    joined text[] NOT NULL DEFAULT '{}',
    gone text[] NOT NULL DEFAULT '{}',
    audience text[] NOT NULL,
    tries int NOT NULL DEFAULT 0,
    next_ms bigint NOT NULL
);
CREATE INDEX outbox_chat ON outbox (chat_id, id);
