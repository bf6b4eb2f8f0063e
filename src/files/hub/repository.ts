/** What a repository of the hub holds at a revision, by the hub's API (`/api/models/ID/revision/REVISION?blobs=true`). */
import { saysHtml } from '../http-answer.ts';
import { chunksOf, remoteOf, withIdleLimit } from '../http-request.ts';
import type { Remote, Request } from '../http-request.ts';
import { mayPass, PassingFault, retryAfterMs, withRetries } from '../http-retry.ts';
import { FormatError, InputError } from '../../tensor/errors.ts';
import { checkFileNameBelow } from '../read-range.ts';
import { parseJsonObject } from '../../tensor/parse-json.ts';
import type { HubAccess, HubAdvice, HubEndpoint } from './hub-access.ts';
import { HubRefusal } from './hub-refusal.ts';
import type { ModelId } from './model-id.ts';

export interface HubFile {
  /** Path inside the repository. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Name of its blob in the cache: SHA-256 of large files, git's SHA-1 of others. */
  readonly blob: string;
  /** How `blob` is made of the file's bytes. */
  readonly hash: 'sha256' | 'git-sha1';
}

export interface Repository {
  readonly repository: string;
  /** The commit, 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** Answers of a repository with a hundred thousand files have 30 MB. */
const MOST_ANSWER_BYTES = 64e6;

/** @throws InputError for a repository that is not there or not open to this user, with what to do; FormatError for an odd answer */
export async function readRepository(id: ModelId, access: HubAccess, signal?: AbortSignal): Promise<Repository> {
  const {
    settings: { endpoint },
    advice,
  } = access;
  const url = new URL(`${endpoint}/api/models/${id.repository}/revision/${encodeURIComponent(id.revision)}?blobs=true`);
  const { onRetry, wait, idleTimeoutMs } = access;
  const fetch: Remote['fetch'] = (asked, init) => access.fetch(asked as URL, init);
  const remote: Remote = { ...remoteOf(url, { fetch, onRetry, wait, idleTimeoutMs }), advice: advice.network };
  const text = await withRetries({ ...remote, receivedBytes: () => 0 }, signal, () =>
    withIdleLimit({ remote, isOpen: false }, signal, (request) => answerOf(request, { name: remote.name, id, access })),
  );
  return repositoryOf(parseJsonObject(text, remote.name), id, { name: remote.name, advice });
}

interface Question {
  readonly name: string;
  readonly id: ModelId;
  readonly access: HubAccess;
}

async function answerOf(request: Request, { name, id, access }: Question): Promise<string> {
  const response = await request();
  if (mayPass(response.status)) {
    const asked = retryAfterMs(response.headers.get('retry-after'), Date.now());
    const reason = `the server answered ${response.status} ${response.statusText}`.trimEnd();
    throw new PassingFault({ reason, advice: 'Try again later.', retryAfterMs: asked });
  }
  if (!response.ok) throw refusal(response, { id, access });
  if (saysHtml(response))
    throw new FormatError(
      `${name}: expected JSON, as the hub's API answers, found a page of HTML: a way to sign in to a network, or another site. ` +
        `Check the network and ${access.advice.endpoint}.`,
    );
  return boundedText(response, { name, request });
}

async function boundedText(response: Response, { name, request }: { readonly name: string; readonly request: Request }): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of chunksOf(response, request)) {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES)
      throw new FormatError(`${name}: the answer is longer than ${MOST_ANSWER_BYTES / 1e6} MB. Check the endpoint.`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The hub says in `x-error-code` what its status means. */
function refusal({ status, headers }: Response, { id, access: { settings, advice } }: Pick<Question, 'id' | 'access'>): InputError {
  const page = `${settings.endpoint}/${id.repository}`;
  const code = headers.get('x-error-code');
  const logIn = `make a token on the hub (Settings, Access Tokens) and ${advice.token}`;
  if (code === 'GatedRepo') {
    const gated = `${id.repository} is gated: its authors ask for consent.`;
    const how = settings.token === undefined ? `, then ${logIn}.` : ', with the account of the token that is used here.';
    return new HubRefusal(`${gated} Accept the terms at ${page}${how}`, gated);
  }
  if (code === 'RevisionNotFound') {
    const absent = `${id.repository} has no revision ${id.revision}.`;
    return new HubRefusal(`${absent} ${page} lists them.`, absent);
  }
  if (status === 401 || status === 403 || status === 404 || code === 'RepoNotFound') {
    const login = settings.token === undefined ? ` If it is private, ${logIn}.` : ' The token that is used here may not see it either.';
    const short = id.shortName === undefined ? '' : `, which ${id.shortName} stands for,`;
    const absent = `The hub has no model ${id.repository}${short} that is open`;
    return new HubRefusal(
      `${absent} to you (status ${status}). Check its name at ${page}.${login}`, `${absent} to this server. Check its name.`,
    );
  }
  return new InputError(`${page}: the hub refuses the request (status ${status}). Check the id and ${advice.endpoint}.`);
}

interface Asked {
  /** Of the answer, for messages. */
  readonly name: string;
  readonly advice: HubAdvice;
}

function repositoryOf(answer: Readonly<Record<string, unknown>>, id: ModelId, asked: Asked): Repository {
  const { sha, siblings } = answer;
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings))
    throw new FormatError(
      `${asked.name}: expected a commit ("sha") and files ("siblings"), as the hub's API answers. Check ${asked.advice.endpoint}.`,
    );
  return { repository: id.repository, commit: sha, files: siblings.map((each) => fileOf(each, asked)) };
}

interface Sibling {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly blobId?: unknown;
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
}

function fileOf(sibling: unknown, { name, advice }: Asked): HubFile {
  const { rfilename, size, blobId, lfs } = (sibling ?? {}) as Sibling;
  const sizeBytes = lfs?.size ?? size;
  const [blob, hash] = lfs ? [lfs.sha256, 'sha256' as const] : [blobId, 'git-sha1' as const];
  const isBlob = typeof blob === 'string' && (hash === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(blob);
  if (typeof rfilename !== 'string' || !Number.isSafeInteger(sizeBytes) || (sizeBytes as number) < 0 || !isBlob)
    throw new FormatError(
      `${name}: the file ${JSON.stringify(rfilename)} has no name, size and hash, as the hub's API gives them. Check ${advice.endpoint}.`,
    );
  checkFileNameBelow(rfilename, name);
  return { name: rfilename, sizeBytes: sizeBytes as number, blob: blob as string, hash };
}

/** Where the hub has a file's bytes. */
export function fileUrl(
  { repository, commit }: Pick<Repository, 'repository' | 'commit'>,
  fileName: string,
  { endpoint }: HubEndpoint,
): URL {
  return new URL(`${endpoint}/${repository}/resolve/${commit}/${fileName.split('/').map(encodeURIComponent).join('/')}`);
}
