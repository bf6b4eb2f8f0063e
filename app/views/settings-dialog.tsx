/** How answers are made, how the page looks, and the chats as files. */
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { conversations, currentSettings, removeAll, setSettings } from '../state/conversations.ts';
import { exportChats } from '../state/chat-files.ts';
import { refreshModels, transportInUse } from '../state/models.ts';
import { apiKey, theme } from '../state/settings.ts';
import type { Theme } from '../state/settings.ts';
import { Dialog } from './dialog.tsx';
import { SamplingFields } from './sampling-fields.tsx';
import { SystemPrompt } from './system-prompt.tsx';

function Group({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="group" aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

const THEMES: readonly (readonly [Theme, string])[] = [
  ['system', 'As the system has them'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

function Colours() {
  return (
    <fieldset class="choices">
      <legend>Colours</legend>
      {THEMES.map(([value, label]) => (
        <label key={value}>
          <input type="radio" name="theme" checked={theme.value === value} onChange={() => (theme.value = value)} />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

function Tools() {
  return (
    <label>
      Functions that the model may call, as JSON
      <textarea
        rows={4}
        spellcheck={false}
        class="code"
        value={currentSettings.value.tools}
        placeholder={'[{"type": "function", "function": {"name": "…", "parameters": {…}}}]'}
        onInput={({ currentTarget: { value } }) => setSettings({ tools: value })}
      />
      <small>The app runs none of them: it shows the calls, and takes what you give as their results.</small>
    </label>
  );
}

function Key() {
  const save = (event: Event) => {
    apiKey.value = (event.currentTarget as HTMLInputElement).value.trim();
    void refreshModels();
  };
  return (
    <label>
      API key of the server
      <input type="password" autocomplete="off" spellcheck={false} defaultValue={apiKey.value} onChange={save} />
      <small>Kept for this tab only.</small>
    </label>
  );
}

function Chats() {
  const [isAsked, setAsked] = useState(false);
  const count = conversations.value.length;
  const erase = () => {
    setAsked(false);
    removeAll();
  };
  return (
    <>
      <div class="row wrap">
        <button type="button" disabled={count === 0} onClick={() => void exportChats()}>
          Export all
        </button>
        <button type="button" onClick={() => document.getElementById('import')!.click()}>
          Import
        </button>
        {isAsked ? (
          <button type="button" class="danger" onClick={erase}>
            Delete {count} {count === 1 ? 'chat' : 'chats'} for good
          </button>
        ) : (
          <button type="button" disabled={count === 0} onClick={() => setAsked(true)}>
            Delete all
          </button>
        )}
      </div>
      <p class="soft">{count === 1 ? 'One chat' : `${count} chats`}, kept in this browser alone.</p>
    </>
  );
}

export function SettingsDialog() {
  return (
    <Dialog name="settings" title="Settings" class="settings">
      <Group title="Answers">
        <p class="soft">They hold for this chat, and for those that are begun after it.</p>
        <SystemPrompt />
        <SamplingFields />
        <Tools />
      </Group>
      <Group title="Chats">
        <Chats />
      </Group>
      <Group title="This page">
        <Colours />
        {transportInUse().kind === 'server' && <Key />}
      </Group>
    </Dialog>
  );
}
