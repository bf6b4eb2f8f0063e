/** What the model is told before a chat, and prompts that are kept by name. */
import { currentSettings, setSettings } from '../state/conversations.ts';
import { savedPrompts } from '../state/settings.ts';
import { tell } from '../state/notices.ts';

function save(): void {
  const { system } = currentSettings.value;
  const name = system.trim().split('\n', 1)[0]!.slice(0, 50);
  savedPrompts.value = [...savedPrompts.value.filter((one) => one.name !== name), { name, text: system }];
  tell('The prompt is kept.');
}

function forget(name: string): void {
  savedPrompts.value = savedPrompts.value.filter((one) => one.name !== name);
}

export function SystemPrompt() {
  const { system } = currentSettings.value;
  const chosen = savedPrompts.value.find(({ text }) => text === system);
  const choose = (name: string) => setSettings({ system: savedPrompts.value.find((one) => one.name === name)?.text ?? '' });
  return (
    <>
      <label>
        System prompt
        <textarea rows={4} value={system} onInput={({ currentTarget: { value } }) => setSettings({ system: value })} />
      </label>
      <div class="row wrap">
        {savedPrompts.value.length > 0 && (
          <label class="inline">
            <span class="visually-hidden">Kept prompts</span>
            <select value={chosen?.name ?? ''} onChange={({ currentTarget: { value } }) => choose(value)}>
              <option value="">Kept prompts</option>
              {savedPrompts.value.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {chosen === undefined ? (
          <button type="button" disabled={system.trim() === ''} onClick={save}>
            Keep this prompt
          </button>
        ) : (
          <button type="button" onClick={() => forget(chosen.name)}>
            Forget this prompt
          </button>
        )}
      </div>
    </>
  );
}
