/** Short messages that come and go at the edge of the page, and are read out. */
import { signal } from '@preact/signals';

export const SHOWN_MS = 6000;
/** What can be undone stands longer: it is read, thought about and reached for. */
export const UNDO_MS = 12_000;

export interface Notice {
  readonly id: number;
  readonly text: string;
  /** Takes back what it tells of. */
  readonly undo?: (() => void) | undefined;
}

export const notices = signal<readonly Notice[]>([]);
let last = 0;

export function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

/**
 * Shows a text in place of the same one; what can be undone stays, since each undo is another one.
 * @returns what {@link dismiss} takes
 */
export function tell(text: string, undo?: () => void): number {
  const id = ++last;
  notices.value = [...notices.value.filter((one) => one.text !== text || one.undo !== undefined), { id, text, undo }];
  setTimeout(() => dismiss(id), undo === undefined ? SHOWN_MS : UNDO_MS);
  return id;
}

/** Undoes what the newest notice with an undo tells of. */
export function undoLast(): void {
  const notice = notices.value.findLast(({ undo }) => undo !== undefined);
  if (notice === undefined) return;
  dismiss(notice.id);
  notice.undo!();
}

/** What went wrong, in a person's words. */
export function tellFailure(error: unknown): void {
  tell(error instanceof Error ? error.message : String(error));
}
