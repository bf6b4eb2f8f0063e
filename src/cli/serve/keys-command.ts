/** `ingot keys`: who may use the server, and how much. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { KeyLimits, StoredKey } from '../../server/store.ts';
import { integerIn } from '../option-values.ts';
import { tableLines } from '../text-table.ts';
import { addStoreOptions, withStore } from './with-store.ts';
import type { StoreFlags } from './with-store.ts';

const EXAMPLES = `
A server wants keys as soon as one was made, at once and for good: revoking all
of them leaves it closed. Send one as "Authorization: Bearer KEY" or x-api-key.

Examples:
  $ ingot keys create alice
  $ ingot keys create ci --requests-per-minute 60 --models small
  $ ingot keys create demo --tokens-per-day 200000 --priority -10
  $ ingot keys list
  $ ingot keys revoke ci
  $ ingot keys revoke alice --let-end
`;

const amount = integerIn({ min: 1, max: Number.MAX_SAFE_INTEGER });

function modelNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Expected names of models, separated by commas.');
  return names;
}

const MOST_NAME = 128;

/** A name goes to terminals, and into lines of logs. */
function keyName(text: string): string {
  // Neither controls and their like, nor ends of lines.
  const isPrintable = /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(text) && text.trim() === text;
  if (isPrintable && text.length <= MOST_NAME) return text;
  throw new InvalidArgumentError(`Expected a name of 1 to ${MOST_NAME} printable characters, with no space at its ends.`);
}

export function registerKeys(program: Command): void {
  const keys = program
    .command('keys')
    .summary('make, list and revoke API keys of "ingot serve"')
    .description('API keys of "ingot serve".')
    .addHelpText('after', EXAMPLES);
  const made = keys.command('create').description('Makes a key and prints it, once: it is not kept.');
  addStoreOptions(made.argument('<name>', 'whose it is', keyName))
    .option('--requests-per-minute <count>', 'most requests a minute', amount)
    .option('--tokens-per-minute <count>', 'most tokens of prompts and answers a minute', amount)
    .option('--tokens-per-day <count>', 'most tokens a day (UTC)', amount)
    .option('--tokens-per-month <count>', 'most tokens a calendar month (UTC)', amount)
    .option('--models <names>', 'the models that it may ask, by commas (default: all)', modelNames)
    .option('--priority <number>', 'of answers that wait, the greater goes first (default: 0)', integerIn({ min: -99, max: 100 }))
    .action(create);
  addStoreOptions(keys.command('list').description('Shows keys, without what would open the server.'))
    .option('--json', 'as JSON')
    .action(list);
  const revoked = keys.command('revoke').description('Ends a key at once, and within a second the answers that are under way with it.');
  addStoreOptions(revoked.argument('<name>', 'its name or id'))
    .option('--let-end', 'let answers that are under way come to their end')
    .action(revoke);
}

async function create(name: string, { config, database, ...limits }: StoreFlags & KeyLimits): Promise<void> {
  const { text } = await withStore({ config, database }, { isMade: true }, ({ keys }) => keys.create(name, limits));
  process.stderr.write(`ingot: the key of ${name}, which is shown this once:\n`);
  process.stdout.write(`${text}\n`);
}

function limitsText({ requestsPerMinute, tokensPerMinute, tokensPerDay, tokensPerMonth, models, priority }: KeyLimits): string {
  const parts = [
    requestsPerMinute === undefined ? [] : `${requestsPerMinute} requests/min`,
    tokensPerMinute === undefined ? [] : `${tokensPerMinute} tokens/min`,
    tokensPerDay === undefined ? [] : `${tokensPerDay} tokens/day`,
    tokensPerMonth === undefined ? [] : `${tokensPerMonth} tokens/month`,
    models === undefined ? [] : `models ${models.join(', ')}`,
    priority === undefined ? [] : `priority ${priority}`,
  ].flat();
  return parts.length === 0 ? 'no limits' : parts.join('; ');
}

const dateOf = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

function shown({ hash: _hash, letsEnd: _letsEnd, limits, ...key }: StoredKey): object {
  return { ...key, ...limits };
}

async function list({ json, ...flags }: StoreFlags & { readonly json?: boolean }): Promise<void> {
  const keys = await withStore(flags, { isMade: false }, async (store) => store.keys.list());
  if (json === true) return void process.stdout.write(`${JSON.stringify(keys.map(shown), undefined, 2)}\n`);
  const rows = keys.map(({ id, name, createdAt, revokedAt, limits }) =>
    [name, id, dateOf(createdAt), revokedAt === undefined ? '-' : dateOf(revokedAt), limitsText(limits)]);
  for (const line of tableLines([['NAME', 'ID', 'MADE (UTC)', 'REVOKED', 'LIMITS'], ...rows])) process.stdout.write(`${line}\n`);
}

async function revoke(name: string, { letEnd = false, ...flags }: StoreFlags & { readonly letEnd?: boolean }): Promise<void> {
  const { id } = await withStore(flags, { isMade: false }, ({ keys }) => keys.revoke(name, { letsEnd: letEnd }));
  const answers = letEnd ? 'lets its answers under way end' : 'ends its answers under way within a second';
  process.stderr.write(`ingot: the key ${id} is revoked: a server that runs refuses it from now on, and ${answers}.\n`);
}
