-- An account whose deletion was asked for and is not yet known everywhere. It survives a crash between two steps.
ALTER TABLE people ADD COLUMN erasing boolean NOT NULL DEFAULT false;
CREATE INDEX people_erasing ON people (id) WHERE erasing;

-- When something between two people changed last: rows of contacts and blocks that are gone tell nothing.
CREATE TABLE touched (
    one uuid NOT NULL,
    other uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (one, other)
);
