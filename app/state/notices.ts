/** Short messages that come and go at the edge of the page, and are read out. */
import { signal } from '@preact/signals';

const SHOWN_MS = 6000;

export interface Notice {
  readonly id: number;
  readonly text: string;
}

export const notices = signal<readonly Notice[]>([]);
let last = 0;

export function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

export function tell(text: string): void {
  const id = ++last;
  notices.value = [...notices.value.filter((one) => one.text !== text), { id, text }];
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** What went wrong, in a person's words. */
export function tellFailure(error: unknown): void {
  tell(error instanceof Error ? error.message : String(error));
}
