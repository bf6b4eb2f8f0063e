/**
 * A server that is killed (SIGKILL) again and again while clients use it, and what its database says after each time. Clients write down
 * what they have been told: ids of answers that they have whole, files, batches, how many requests of a batch are done.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openStore } from '../src/cli/serve/store/open-store.ts';

export interface KillOptions {
  /** `dist/cli/main.js` */
  readonly main: string;
  readonly database: string;
  readonly moments: number;
  /** Requests of a batch. */
  readonly batchSize: number;
}

export interface KillReport {
  /** How often it was killed while it started, and while it answered. */
  readonly killed: { readonly starting: number; readonly answering: number };
  /** What was told and looked for after each kill. */
  readonly acknowledged: { readonly requests: number; readonly responses: number; readonly batches: number; readonly items: number };
  /** Everything that was told and is not there, stands twice, or does not add up. */
  readonly faults: readonly string[];
}

interface Told {
  readonly requests: string[];
  readonly responses: string[];
  readonly files: string[];
  /** Requests done, by the batch's id. */
  readonly batches: Map<string, number>;
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves to nothing where it ended before it took requests. */
  readonly origin: Promise<string | undefined>;
}

function start({ main, database }: KillOptions): Running {
  const settings = ['--port', '0', '--device', 'cpu', '--threads', '1', '--context', '256', '--no-log-requests'];
  const args = [main, 'serve', ...settings, '--database', database];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const origin = new Promise<string | undefined>((resolve) => {
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      const [, found] = /serving .* at (\S+)\/v1/.exec(stderr) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.on('close', () => resolve(undefined));
  });
  return { child, origin };
}

async function kill({ child }: Running): Promise<void> {
  const over = once(child, 'close');
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await over;
  }
}

const MODEL = 'ember-21m-q4_0';
const ASK = { model: MODEL, prompt: 'fox', max_tokens: 2 };
const json = (body: unknown) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Until the server is gone. */
async function askOn(origin: string, told: Told): Promise<void> {
  for (let count = 0; ; count++) {
    try {
      const isResponse = count % 5 === 4;
      const response = isResponse
        ? await fetch(`${origin}/v1/responses`, json({ model: MODEL, input: 'fox', max_output_tokens: 2 }))
        : await fetch(`${origin}/v1/completions`, json({ ...ASK, stream: count % 2 === 1 }));
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} ${text}`);
      told.requests.push(response.headers.get('x-request-id')!);
      if (isResponse) told.responses.push(JSON.parse(text).id);
    } catch (error) {
      // A connection that ends is what this is about.
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

/** Begins a batch, and another one behind it, and says how far they are until the server is gone. */
async function batchOn(origin: string, told: Told, size: number): Promise<void> {
  const line = (_: unknown, index: number) =>
    JSON.stringify({ custom_id: `r${index}`, method: 'POST', url: '/v1/completions', body: { ...ASK, prompt: `fox ${index}` } });
  const get = async (path: string, init?: RequestInit) => (await fetch(`${origin}${path}`, init)).json();
  try {
    for (;;) {
      const form = new FormData();
      form.set('purpose', 'batch');
      form.set('file', new Blob([Array.from({ length: size }, line).join('\n')]), 'requests.jsonl');
      const file = await get('/v1/files', { method: 'POST', body: form });
      told.files.push(file.id);
      const batch = await get('/v1/batches', json({ input_file_id: file.id, endpoint: '/v1/completions', completion_window: '24h' }));
      told.batches.set(batch.id, 0);
      for (let state = batch; state.status === 'in_progress'; ) {
        state = await get(`/v1/batches/${batch.id}`);
        told.batches.set(batch.id, state.request_counts.completed);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/** What the database lacks of what was told. */
async function check(database: string, told: Told): Promise<string[]> {
  const store = await openStore(database);
  const faults: string[] = [];
  try {
    const [verdict] = store.database.rows('PRAGMA integrity_check');
    if (verdict?.['integrity_check'] !== 'ok') faults.push(`integrity_check: ${JSON.stringify(verdict)}`);
    const logged = store.database.rows('SELECT id FROM requests').map(({ id }) => id as string);
    if (new Set(logged).size !== logged.length) faults.push('an entry stands twice');
    for (const id of told.requests) if (!logged.includes(id)) faults.push(`the log lacks ${id}`);
    const [{ requests } = { requests: 0 }] = store.database.rows('SELECT coalesce(sum(requests), 0) AS requests FROM usage');
    if (requests !== logged.length) faults.push(`sums say ${String(requests)} requests, the log has ${logged.length}`);
    for (const id of told.responses) if ((await store.responses.find(id)) === undefined) faults.push(`there is no ${id}`);
    for (const id of told.files) if ((await store.files.content(id)) === undefined) faults.push(`there is no ${id}`);
    for (const [id, done] of told.batches) {
      const batch = await store.batches.find(id);
      if (batch === undefined || batch.counts.completed < done) faults.push(`${id} had ${done} done, has ${batch?.counts.completed}`);
    }
  } finally {
    await store.close();
  }
  return faults;
}

/** All batches are run to their end; each of their requests stands once in their files. */
async function finish(options: KillOptions, told: Told): Promise<string[]> {
  const running = start(options);
  const origin = await running.origin;
  const faults: string[] = [];
  for (const id of told.batches.keys()) {
    let batch: any;
    do {
      await new Promise((resolve) => setTimeout(resolve, 20));
      batch = await (await fetch(`${origin}/v1/batches/${id}`)).json();
    } while (batch.status === 'in_progress');
    const text = await (await fetch(`${origin}/v1/files/${batch.output_file_id}/content`)).text();
    const ids = text.trimEnd().split('\n').map((line) => JSON.parse(line).custom_id).join(' ');
    const expected = Array.from({ length: options.batchSize }, (_, index) => `r${index}`).join(' ');
    if (batch.status !== 'completed' || ids !== expected) faults.push(`${id} is ${batch.status} with ${ids}`);
  }
  await kill(running);
  return faults;
}

/** Until clients were told some more things, by chance; and a moment longer, so that it is in the middle of something. */
async function waitForMoment(told: Told): Promise<void> {
  const count = () => told.requests.length + [...told.batches.values()].reduce((sum, done) => sum + done, 0);
  const [wanted, until] = [count() + Math.random() * 16, performance.now() + 8000];
  while (count() < wanted && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
}

/** One kill in five comes while the server starts, the others after up to 16 more answers and requests of batches. */
export async function killAtMoments(options: KillOptions): Promise<KillReport> {
  const told: Told = { requests: [], responses: [], files: [], batches: new Map() };
  const killed = { starting: 0, answering: 0 };
  const faults: string[] = [];
  for (let moment = 0; moment < options.moments; moment++) {
    const running = start(options);
    if (moment % 5 === 4) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
      await kill(running);
      killed.starting++;
    } else {
      const origin = await running.origin;
      if (origin === undefined) throw new Error(`the server did not start after ${moment} kills`);
      const clients = [askOn(origin, told), askOn(origin, told), askOn(origin, told), batchOn(origin, told, options.batchSize)];
      await waitForMoment(told);
      await kill(running);
      await Promise.all(clients);
      killed.answering++;
    }
    faults.push(...(await check(options.database, told)));
  }
  faults.push(...(await finish(options, told)), ...(await check(options.database, told)));
  const items = [...told.batches.values()].reduce((sum, done) => sum + done, 0);
  const { requests, responses, batches } = told;
  return { killed, acknowledged: { requests: requests.length, responses: responses.length, batches: batches.size, items }, faults };
}
