/** Asks for the server's key where it wants one. */
import { useEffect, useRef } from 'preact/hooks';
import { needsKey, refreshModels } from '../state/models.ts';
import { apiKey } from '../state/settings.ts';

export function KeyEntry() {
  const input = useRef<HTMLInputElement>(null);
  const isNeeded = needsKey.value;
  useEffect(() => {
    if (isNeeded) input.current?.focus();
  }, [isNeeded]);
  if (!isNeeded) return null;
  const save = (event: Event) => {
    event.preventDefault();
    apiKey.value = input.current!.value.trim();
    void refreshModels();
  };
  return (
    <form class="key-entry" onSubmit={save}>
      <label>
        API key
        <input ref={input} type="password" autocomplete="off" spellcheck={false} defaultValue={apiKey.value} />
      </label>
      <button type="submit" class="primary">
        Use it
      </button>
      <p class="soft">It is kept for this tab only.</p>
    </form>
  );
}
