/** Whose a database is, and its tables brought to the version of this program. */
import type Libsql from 'libsql';
import { FormatError } from '../../../tensor/errors.ts';
import { MIGRATIONS } from './migrations.ts';

/** What every version has. */
const OWN_TABLES = ['keys', 'requests', 'usage', 'probe'];

function versionOf(connection: Libsql.Database): number {
  return Number((connection.prepare('PRAGMA user_version').all() as { user_version: number }[])[0]?.user_version ?? 0);
}

/** Reads only. @throws FormatError for the tables of another program, or of a later version of this one */
export function checkTables(connection: Libsql.Database, path: string): void {
  // In one transaction, since another process may begin the tables now.
  connection.exec('BEGIN');
  const names = (connection.prepare('SELECT name FROM sqlite_master').all() as { name: string }[]).map(({ name }) => name);
  const version = versionOf(connection);
  connection.exec('COMMIT');
  if (version === 0 && names.length === 0) return;
  if (version < 1 || OWN_TABLES.some((name) => !names.includes(name)))
    throw new FormatError(
      `The database ${path} belongs to another program (found ${describeNames(names)}); it was left as it is. Name another file.`,
    );
  if (version > MIGRATIONS.length)
    throw new FormatError(
      `The database ${path} has tables of version ${version}; this program knows up to ${MIGRATIONS.length}. ` +
        'Update ingot, or name another file.',
    );
}

function describeNames(names: readonly string[]): string {
  if (names.length === 0) return 'a version, and no tables';
  return `${names.slice(0, 4).join(', ')}${names.length > 4 ? ', ...' : ''}`;
}

/** Brings tables that {@link checkTables} lets pass to the version of this program. */
export function migrate(connection: Libsql.Database): void {
  if (versionOf(connection) >= MIGRATIONS.length) return;
  connection.exec('BEGIN IMMEDIATE');
  // Another process may have done it meanwhile.
  for (let version = versionOf(connection); version < MIGRATIONS.length; version++) {
    connection.exec(MIGRATIONS[version] as string);
    connection.exec(`PRAGMA user_version = ${version + 1}`);
  }
  connection.exec('COMMIT');
}
