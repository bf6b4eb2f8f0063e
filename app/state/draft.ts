import { signal } from '@preact/signals';

/** The message that is being written. */
export const draft = signal('');
