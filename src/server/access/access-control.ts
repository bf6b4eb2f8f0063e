/** Who a request is from, by its key, and what that key may still take. */
import { Failure } from '../failure.ts';
import type { KeyLimits, ServerStore, StoredKey } from '../store.ts';
import { idOfKey, isKey } from './api-key.ts';
import { createTokenBucket } from './token-bucket.ts';
import type { TokenBucket } from './token-bucket.ts';

/** Whoever a request is from. */
export interface Holder {
  readonly keyId: string;
  readonly limits: KeyLimits;
}

export interface AccessControl {
  /**
   * @returns undefined where no key is needed
   * @throws Failure: 401 for a key that is missing, unknown or revoked, 503 where keys cannot be read
   */
  identify(request: Request): Promise<Holder | undefined>;
  /** Of a key whose request was let in earlier. @throws Failure (401) where it has been revoked since, 503 as {@link identify} */
  holderOf(keyId: string): Promise<Holder>;
  /** @throws Failure (429) where the tokens of the day or the month are used up */
  checkQuota(holder: Holder): Promise<void>;
  /** Counts a request. @throws Failure (429) where the key's requests or tokens of the minute, the day or the month are used up */
  admit(holder: Holder): Promise<void>;
  /** Tokens that a request took. */
  charge(holder: Holder, tokens: number): void;
  /** What is left, as OpenAI's headers tell it. */
  headersOf(holder: Holder): Readonly<Record<string, string>>;
}

export interface AccessOptions {
  readonly store: ServerStore | undefined;
  /** Also while there is no key. */
  readonly requiresKeys: boolean;
}

interface Rates {
  readonly requests: TokenBucket | undefined;
  readonly tokens: TokenBucket | undefined;
}

/** A page of a browser can add no header to a WebSocket: OpenAI's clients there name the key among the protocols that they offer. */
const SUBPROTOCOL_KEY = /(?:^|,)\s*openai-insecure-api-key\.([^\s,]+)\s*(?:,|$)/;

/** @throws Failure (401) where several have different ones: which is meant is not known */
function keyOf(request: Request): string | undefined {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? [];
  const other = request.headers.get('x-api-key')?.trim();
  const [, ofPage] = SUBPROTOCOL_KEY.exec(request.headers.get('sec-websocket-protocol') ?? '') ?? [];
  const keys = new Set([bearer, other, ofPage].filter((key) => key !== undefined));
  if (keys.size > 1)
    throw unauthorised('Authorization, x-api-key and the subprotocol have different keys: send one of them.', 'contradicting_api_keys');
  return [...keys][0];
}

function unauthorised(message: string, code: string): Failure {
  return new Failure(message, { status: 401, type: 'authentication_error', code, headers: { 'www-authenticate': 'Bearer' } });
}

/** What a store throws says nothing to a client. */
export function storeFailure(cause: unknown): Failure {
  return new Failure('The server cannot reach what it keeps: keys, quotas and its log. Its own log says why.', {
    status: 503, code: 'store_unavailable', headers: { 'retry-after': '5' }, cause,
  });
}

function tooMany(message: string, code: string, waitMs: number): Failure {
  return new Failure(message, {
    status: 429, type: code === 'insufficient_quota' ? 'insufficient_quota' : 'rate_limit_error', code,
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  });
}

/** Milliseconds from a time to the next day, or month, in UTC. */
function untilNext(period: 'day' | 'month', at: number): number {
  const date = new Date(at);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  return (period === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1)) - at;
}

async function checkQuota({ keyId, limits }: Holder, store: ServerStore): Promise<void> {
  const { tokensPerDay = Infinity, tokensPerMonth = Infinity } = limits;
  if (tokensPerDay === Infinity && tokensPerMonth === Infinity) return;
  const at = Date.now();
  const used = await store.keys.tokensUsed(keyId, at).catch((error: unknown) => {
    throw storeFailure(error);
  });
  const refuse = (period: 'day' | 'month', most: number) =>
    tooMany(`This key's ${most} tokens of the ${period} (UTC) are used up.`, 'insufficient_quota', untilNext(period, at));
  if (used.day >= tokensPerDay) throw refuse('day', tokensPerDay);
  if (used.month >= tokensPerMonth) throw refuse('month', tokensPerMonth);
}

function checkRates({ requests, tokens }: Rates): void {
  const now = performance.now();
  if (requests !== undefined && requests.left(now) < 1)
    throw tooMany(`This key may ask ${requests.perMinute} times a minute.`, 'rate_limit_exceeded', requests.waitMs(1, now));
  if (tokens !== undefined && tokens.left(now) < 1)
    throw tooMany(`This key may use ${tokens.perMinute} tokens a minute.`, 'rate_limit_exceeded', tokens.waitMs(1, now));
  requests?.take(1, now);
}

/** `x-ratelimit-remaining-requests` and so on; the time until all of it is there again in seconds, `1.5s`. */
function rateHeaders(name: 'requests' | 'tokens', bucket: TokenBucket | undefined): Record<string, string> {
  if (bucket === undefined) return {};
  const now = performance.now();
  return {
    [`x-ratelimit-limit-${name}`]: String(bucket.perMinute),
    [`x-ratelimit-remaining-${name}`]: String(Math.max(0, Math.floor(bucket.left(now)))),
    [`x-ratelimit-reset-${name}`]: `${bucket.waitMs(bucket.perMinute, now) / 1000}s`,
  };
}

async function findKey(text: string, store: ServerStore): Promise<StoredKey> {
  const id = idOfKey(text);
  const found = id === undefined ? undefined : await store.keys.find(id).catch((error: unknown) => {
    throw storeFailure(error);
  });
  if (!(await isKey(text, found?.hash)) || found === undefined)
    throw unauthorised('This API key is not one of the server\'s.', 'invalid_api_key');
  if (found.revokedAt !== undefined) throw unauthorised('This API key has been revoked.', 'revoked_api_key');
  return found;
}

export function createAccessControl({ store, requiresKeys }: AccessOptions): AccessControl {
  /** By key; made anew where its limits have changed. */
  const rates = new Map<string, Rates & { readonly limits: string }>();
  let hasKeys = requiresKeys;
  const ratesOf = ({ keyId, limits }: Holder): Rates => {
    const text = JSON.stringify(limits);
    const kept = rates.get(keyId);
    if (kept?.limits === text) return kept;
    const now = performance.now();
    const bucket = (perMinute: number | undefined) => (perMinute === undefined ? undefined : createTokenBucket(perMinute, now));
    const made = { limits: text, requests: bucket(limits.requestsPerMinute), tokens: bucket(limits.tokensPerMinute) };
    rates.set(keyId, made);
    return made;
  };
  return {
    async identify(request) {
      if (store === undefined) return undefined;
      // Once there was a key the server stays closed, so that this is asked no more.
      hasKeys ||= await store.keys.hasKeys().catch((error: unknown) => {
        throw storeFailure(error);
      });
      if (!hasKeys) return undefined;
      const text = keyOf(request);
      if (text === undefined || text === '')
        throw unauthorised('This server wants an API key: Authorization: Bearer ..., or x-api-key.', 'missing_api_key');
      const { id, limits } = await findKey(text, store);
      return { keyId: id, limits };
    },
    async holderOf(keyId) {
      const found = await store?.keys.find(keyId).catch((error: unknown) => {
        throw storeFailure(error);
      });
      if (found === undefined || found.revokedAt !== undefined) throw unauthorised('This API key has been revoked.', 'revoked_api_key');
      return { keyId, limits: found.limits };
    },
    checkQuota: async (holder) => (store === undefined ? undefined : checkQuota(holder, store)),
    async admit(holder) {
      checkRates(ratesOf(holder));
      if (store !== undefined) await checkQuota(holder, store);
    },
    charge: (holder, tokens) => ratesOf(holder).tokens?.take(tokens, performance.now()),
    headersOf(holder) {
      const { requests, tokens } = ratesOf(holder);
      return { ...rateHeaders('requests', requests), ...rateHeaders('tokens', tokens) };
    },
  };
}
