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

const RESPONSES_FILES_AND_BATCHES = `
CREATE TABLE responses (
  id TEXT PRIMARY KEY, key_id TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, previous_id TEXT,
  input TEXT NOT NULL, response TEXT NOT NULL
) STRICT;
CREATE INDEX responses_by_end ON responses (expires_at);
CREATE TABLE files (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key_id TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  purpose TEXT NOT NULL, filename TEXT NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX files_by_end ON files (expires_at);
CREATE TABLE contents (file_id TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE batches (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key_id TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  endpoint TEXT NOT NULL, input_file_id TEXT NOT NULL, status TEXT NOT NULL, metadata TEXT NOT NULL, errors TEXT NOT NULL,
  output_ms INTEGER NOT NULL, cancelling_at INTEGER, ended_at INTEGER, output_file_id TEXT, error_file_id TEXT, total INTEGER NOT NULL,
  completed INTEGER NOT NULL, failed INTEGER NOT NULL
) STRICT;
CREATE TABLE batch_items (
  batch INTEGER NOT NULL, line INTEGER NOT NULL, custom_id TEXT NOT NULL, body TEXT, is_error INTEGER, result TEXT,
  PRIMARY KEY (batch, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_items_pending ON batch_items (batch, line) WHERE result IS NULL;
`;

const WHAT_REVOCATION_ENDS = 'ALTER TABLE keys ADD COLUMN lets_end INTEGER NOT NULL DEFAULT 0;';

export const MIGRATIONS: readonly string[] = [KEYS_AND_LOG, RESPONSES_FILES_AND_BATCHES, WHAT_REVOCATION_ENDS];
