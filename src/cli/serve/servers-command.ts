/** `ingot ps` and `ingot stop`: the servers of this user that run on this machine. */
import type { Command } from 'commander';
import { dataFolder } from '../../node/data-folder.ts';
import { UsageError } from '../exit-codes.ts';
import { tableLines } from '../text-table.ts';
import { findServers } from './control.ts';
import type { FoundServer, ServerDescription } from './control.ts';

const PS_EXAMPLES = `
Examples:
  $ ingot ps
  $ ingot ps --json
`;

const STOP_EXAMPLES = `
A server that is asked to stop lets requests end ("ingot serve --drain-ms").

Examples:
  $ ingot stop
  $ ingot stop 8080
  $ ingot stop --all
`;

export function registerPs(program: Command): void {
  program
    .command('ps')
    .summary('list servers that run')
    .description('Lists the "ingot serve" of this user that run on this machine.')
    .option('--json', 'as JSON')
    .addHelpText('after', PS_EXAMPLES)
    .action(ps);
}

export function registerStop(program: Command): void {
  program
    .command('stop')
    .summary('stop a server that runs')
    .description('Asks an "ingot serve" of this user to stop, and waits until it has.')
    .argument('[server]', 'its port or process id (default: the one that runs)')
    .option('--all', 'all that run')
    .addHelpText('after', STOP_EXAMPLES)
    .action(stop);
}

/** `3h 20m`, `45s` */
function durationOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

function rowOf({ pid, origin, status, startedAt, requests, streams, models }: ServerDescription): readonly string[] {
  const named = models.map((model) => (model.status === 'loaded' ? model.name : `${model.name} (${model.status})`));
  return [String(pid), origin, status, durationOf(Date.now() - startedAt), String(requests), String(streams), named.join(', ')];
}

async function ps({ json }: { readonly json?: boolean }): Promise<void> {
  const found = (await findServers(dataFolder(process.env))).map(({ description }) => description);
  if (json === true) return void process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  const lines = tableLines([['PID', 'ADDRESS', 'STATUS', 'UP', 'REQUESTS', 'STREAMS', 'MODELS'], ...found.map(rowOf)], [0, 3, 4, 5]);
  process.stdout.write(`${lines.join('\n')}\n`);
}

function portOf({ origin }: ServerDescription): string {
  const { port, protocol } = new URL(origin);
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}

/** @throws UsageError where it is not one that is meant */
function chosen(found: readonly FoundServer[], named: string | undefined, isAll: boolean): readonly FoundServer[] {
  if (isAll) return found;
  const listed = found.map(({ description }) => `${description.pid} at ${description.origin}`).join(', ');
  const fitting = named === undefined
    ? found
    : found.filter(({ description }) => String(description.pid) === named || portOf(description) === named);
  if (fitting.length === 1) return fitting;
  if (found.length === 0) throw new UsageError('no "ingot serve" of this user runs on this machine.');
  if (named === undefined)
    throw new UsageError(`several servers run: name one by its port or process id, or give --all. There is ${listed}.`);
  throw new UsageError(`no server has the port or process id ${named}. There is ${listed}.`);
}

async function stop(named: string | undefined, { all = false }: { readonly all?: boolean }): Promise<void> {
  if (all && named !== undefined) throw new UsageError('give either a server or --all.');
  const found = await findServers(dataFolder(process.env));
  const ended = chosen(found, named, all).map(async (server) => {
    const { pid, origin } = server.description;
    await server.stop();
    process.stderr.write(`ingot: the server ${pid} at ${origin} has stopped\n`);
  });
  await Promise.all(ended);
}
