/** The audit log, and the sums of it by day that quotas and `ingot usage` go by: both are written in one transaction. */
import type { AuditEntry, AuditStore } from '../../../server/store.ts';
import type { Database, SqlRow, SqlValue } from './database.ts';

/** From and to: days in UTC (`2026-11-30`), both included. */
export interface Period {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export const USAGE_GROUPS = ['key', 'model', 'day'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

export interface UsageRow {
  /** The name of a key, or '' for requests without one. */
  readonly key?: string;
  readonly model?: string;
  readonly day?: string;
  readonly requests: number;
  /** Those that ended in another way than `done`: refused, failed or cancelled. */
  readonly not_done: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
}

export const USAGE_SUMS = ['requests', 'not_done', 'prompt_tokens', 'cached_tokens', 'completion_tokens'] as const;

export interface AuditTable extends AuditStore {
  usage(by: readonly UsageGroup[], period: Period): readonly UsageRow[];
  /** Entries in their order, with the name of the key. */
  entries(period: Period): Iterable<AuditRow>;
  /** Drops entries older than a time; sums stay. @returns how many */
  dropBefore(at: number): Promise<number>;
}

/** An entry as it is exported. */
export type AuditRow = Readonly<Record<(typeof AUDIT_COLUMNS)[number], SqlValue>>;

export const AUDIT_COLUMNS = [
  'id', 'time', 'key', 'user', 'method', 'route', 'model', 'status', 'outcome', 'prompt_tokens', 'cached_tokens', 'completion_tokens',
  'first_token_ms', 'total_ms', 'prompt',
] as const;

/** The day of a time, in UTC. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

const INSERT = `INSERT INTO requests (id, at, key_id, user, method, route, model, status, outcome, prompt_tokens, cached_tokens,
  completion_tokens, first_token_ms, total_ms, prompt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const COUNT = `INSERT INTO usage VALUES (?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + 1,
  failed = failed + excluded.failed, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
  cached_tokens = cached_tokens + excluded.cached_tokens, completion_tokens = completion_tokens + excluded.completion_tokens`;

function insert(database: Database, entry: AuditEntry): void {
  const { id, at, keyId = '', user = null, method, route = '', model = '', status, outcome, firstTokenMs = null, totalMs } = entry;
  const { promptTokens, cachedTokens, completionTokens, prompt = null } = entry;
  database.change(
    INSERT, id, at, keyId, user, method, route, model, status, outcome, promptTokens, cachedTokens, completionTokens, firstTokenMs, totalMs,
    prompt,
  );
  database.change(COUNT, dayOf(at), keyId, model, outcome === 'done' ? 0 : 1, promptTokens, cachedTokens, completionTokens);
}

const SUMS = `sum(requests) AS requests, sum(failed) AS not_done, sum(prompt_tokens) AS prompt_tokens, sum(cached_tokens) AS cached_tokens,
  sum(completion_tokens) AS completion_tokens`;
const NAMES: Readonly<Record<UsageGroup, string>> = { key: "coalesce(keys.name, '')", model: 'usage.model', day: 'usage.day' };

const FIRST_DAY = '0000-01-01';
const LAST_DAY = '9999-12-31';

function usage(database: Database, by: readonly UsageGroup[], { from = FIRST_DAY, to = LAST_DAY }: Period): readonly UsageRow[] {
  const names = by.map((group) => `${NAMES[group]} AS "${group}"`);
  const groups = by.map((_, index) => index + 1).join(', ');
  const grouped = by.length === 0 ? '' : `GROUP BY ${groups} ORDER BY ${groups}`;
  const joined = 'usage LEFT JOIN keys ON keys.id = usage.key_id';
  const sql = `SELECT ${[...names, SUMS].join(', ')} FROM ${joined} WHERE day >= ? AND day <= ? ${grouped}`;
  return (database.rows(sql, from, to) as unknown as UsageRow[]).filter(({ requests }) => requests !== null);
}

/** How many are read at a time. */
const PAGE = 1000;

/** To the microsecond: what is beyond that is of the float. */
const rounded = (ms: SqlValue | undefined): SqlValue => (typeof ms === 'number' ? Math.round(ms * 1000) / 1000 : null);

const ENTRIES = `SELECT requests.*, coalesce(keys.name, '') AS key FROM requests LEFT JOIN keys ON keys.id = requests.key_id
  WHERE number > ? AND at >= ? AND at < ? ORDER BY number LIMIT ${PAGE}`;

function* entries(database: Database, { from, to }: Period): Iterable<AuditRow> {
  const since = from === undefined ? 0 : Date.parse(`${from}T00:00:00Z`);
  const until = to === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(`${to}T00:00:00Z`) + 86_400_000;
  let last = -1;
  for (;;) {
    const page: readonly SqlRow[] = database.rows(ENTRIES, last, since, until);
    for (const row of page) {
      const shown: Record<string, SqlValue> = {
        ...row, time: new Date(row['at'] as number).toISOString(), first_token_ms: rounded(row['first_token_ms']),
        total_ms: rounded(row['total_ms']),
      };
      yield Object.fromEntries(AUDIT_COLUMNS.map((name) => [name, shown[name] ?? null])) as AuditRow;
    }
    if (page.length < PAGE) return;
    last = page.at(-1)?.['number'] as number;
  }
}

export function createAuditTable(database: Database): AuditTable {
  return {
    add: (entry) => database.write(() => insert(database, entry)),
    check: async () => void (await database.write(() => database.change('INSERT OR REPLACE INTO probe VALUES (1, ?)', Date.now()))),
    usage: (by, period) => usage(database, by, period),
    entries: (period) => entries(database, period),
    dropBefore: (at) => database.write(() => database.change('DELETE FROM requests WHERE at < ?', at)),
  };
}
