import type { ProfileRow } from '../gpu/profile/profile-table.ts';

/** A profile's choices as rows of a table, the reason of each under it. */
export function profileRows(choices: readonly ProfileRow[]): readonly (readonly string[])[] {
  return choices.flatMap(({ choice, value, reason }) => [[choice, value], ['', `  ${reason}`]]);
}
