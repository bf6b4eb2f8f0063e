import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where ingot keeps what is its own: INGOT_HOME, or .ingot in the user's home. */
export function dataFolder(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['INGOT_HOME'] || join(homedir(), '.ingot');
}
