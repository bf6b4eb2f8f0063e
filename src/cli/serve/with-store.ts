/** The database that `ingot serve` would take, for the commands that look at it. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { UsageError } from '../exit-codes.ts';
import { expandHome } from '../input-path.ts';
import { NO_DATABASE, readConfig } from './config.ts';
import { openStore } from './store/open-store.ts';
import type { ServeStore } from './store/open-store.ts';

export interface StoreFlags {
  readonly config?: string;
  readonly database?: string;
}

export function addStoreOptions(command: Command): Command {
  return command
    .option('--database <file>', 'as for "ingot serve" (INGOT_SERVE_DATABASE)')
    .option('--config <file>', 'the config file of "ingot serve", which may name the database (INGOT_SERVE_CONFIG)');
}

/**
 * @param options.isMade begins a database where there is none
 * @throws UsageError where there is none
 */
export async function withStore<Result>(
  flags: StoreFlags, { isMade }: { readonly isMade: boolean }, work: (store: ServeStore) => Promise<Result>,
): Promise<Result> {
  const { INGOT_SERVE_CONFIG: fileOfVariable, ...environment } = process.env;
  const given = flags.database === undefined ? {} : { database: flags.database };
  const { settings } = readConfig({
    file: flags.config ?? fileOfVariable, environment, flags: given, models: [], defaultModel: 'model',
  });
  if (settings.database === NO_DATABASE) throw new UsageError('the server is told to keep nothing (database: none).');
  const path = expandHome(settings.database as string);
  if (!isMade && !existsSync(path))
    throw new UsageError(`there is no database ${path} yet: "ingot serve" and "ingot keys create" begin it.`);
  const store = await openStore(path);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
