-- What is known about each key that was ever seen here. Times are milliseconds since 1970.
CREATE TABLE history (
    provider    TEXT NOT NULL,
    -- HMAC of the key under this installation's own random key.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
    masked      TEXT NOT NULL,
    -- Where it was found last.
    reference   TEXT NOT NULL,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    -- When the provider last accepted it, and how many requests it served.
    last_good   INTEGER,
    served      INTEGER NOT NULL DEFAULT 0,
    -- Since when the provider refuses it, and why; empty while it does not.
    first_bad   INTEGER,
    cause       TEXT,
    PRIMARY KEY (provider, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE INDEX history_by_age ON history (last_seen);
