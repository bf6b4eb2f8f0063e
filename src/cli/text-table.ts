import { printable } from './terminal.ts';
import type { ProfileRow } from '../gpu/profile/profile-table.ts';

/**
 * Rows as lines with aligned columns, two spaces apart; what would move the cursor is shown by its code.
 * @param rightAligned indices of columns of numbers
 */
export function tableLines(texts: readonly (readonly string[])[], rightAligned: readonly number[] = []): string[] {
  const rows = texts.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (rightAligned.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** A profile's choices as rows of a table, the reason of each under it. */
export function profileRows(choices: readonly ProfileRow[]): readonly (readonly string[])[] {
  return choices.flatMap(({ choice, value, reason }) => [[choice, value], ['', `  ${reason}`]]);
}
