/** The tables, as a list of changes: the version of a database (`user_version`) says how many of them it has. A change is never altered. */

const KEYS_AND_LOG = `
CREATE TABLE keys (
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER, limits TEXT NOT NULL
) STRICT;
CREATE TABLE requests (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, key_id TEXT NOT NULL, user TEXT, method TEXT NOT NULL,
  route TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, outcome TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, first_token_ms REAL, total_ms REAL NOT NULL, prompt TEXT
) STRICT;
CREATE INDEX requests_by_time ON requests (at);
CREATE TABLE usage (
  day TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL, failed INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, PRIMARY KEY (key_id, day, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE probe (number INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
`;

export const MIGRATIONS: readonly string[] = [KEYS_AND_LOG];
