-- Measurements that the server has not answered for. What lies between its clock and this machine's may
-- be known only later: until the first sending a measurement has no time, then one that never changes.
CREATE TABLE IF NOT EXISTS measurements (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    boot            TEXT NOT NULL,
    since_boot_us   INTEGER NOT NULL,
    wall_us         INTEGER NOT NULL,
    time_us         INTEGER,
    body            BLOB NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS measurements_without_time ON measurements (boot) WHERE time_us IS NULL;

-- What must be added to the time since a boot to get the server's time.
CREATE TABLE IF NOT EXISTS boots (
    boot            TEXT PRIMARY KEY,
    offset_us       INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS rejected (
    number          INTEGER PRIMARY KEY,
    time_us         INTEGER,
    reason          TEXT NOT NULL,
    message         TEXT NOT NULL,
    body            BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS figures (
    name            TEXT PRIMARY KEY,
    value           INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS spent (
    month           TEXT PRIMARY KEY,
    bytes           INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;
