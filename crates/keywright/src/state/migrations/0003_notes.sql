-- What people of this machine added to the error pages. A number is never given twice.
CREATE TABLE notes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The page's own name, not an alias.
    page    TEXT NOT NULL,
    text    TEXT NOT NULL,
    -- The package that it is about, and its version; empty for all.
    sdk     TEXT,
    version TEXT,
    -- Milliseconds since 1970.
    added   INTEGER NOT NULL
) STRICT;

CREATE INDEX notes_by_page ON notes (page);
