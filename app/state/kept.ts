/** Values that stay in this browser: for good, or for the tab. */
import { effect, signal } from '@preact/signals';
import type { Signal } from '@preact/signals';

export const forGood = () => localStorage;
export const forTab = () => sessionStorage;

/** A browser may keep nothing for pages, and says so by throwing. */
function read<Value>(storage: () => Storage, name: string, fallback: Value): Value {
  try {
    const text = storage().getItem(`ingot ${name}`);
    return text === null ? fallback : (JSON.parse(text) as Value);
  } catch {
    return fallback;
  }
}

export function kept<Value>(storage: () => Storage, name: string, fallback: Value): Signal<Value> {
  const value = signal(read(storage, name, fallback));
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      storage().setItem(`ingot ${name}`, text);
    } catch {
      // Then it holds for this visit.
    }
  });
  return value;
}
