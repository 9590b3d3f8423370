-- The last value of each key that served, encrypted: see `seal.rs`. Times are milliseconds since 1970.
CREATE TABLE last_known_good (
    -- The folder in which it was used: the same reference means another key in another one.
    scope       TEXT NOT NULL,
    provider    TEXT NOT NULL,
    reference   TEXT NOT NULL,
    -- HMAC of the value under this installation's own random key.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
    masked      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    -- When it last served while its source handed it out.
    last_good   INTEGER NOT NULL,
    -- Since when it serves in the place of what its source gives; empty while it does not.
    stands_in   INTEGER,
    PRIMARY KEY (scope, provider, reference)
) STRICT, WITHOUT ROWID;
