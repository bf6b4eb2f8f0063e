/** The models there are: how large, whether they fit, whether they are ready, and which one answers. */
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  addModelFiles,
  chooseModel,
  lacks,
  loadModel,
  loads,
  model,
  models,
  modelsFailure,
  noDownloads,
  refreshModels,
  removeModel,
  transportInUse,
  unloadModel,
} from '../state/models.ts';
import { openDialog } from '../state/layout.ts';
import type { ModelEntry, Storage } from '../transport/transport.ts';
import { Dialog } from './dialog.tsx';
import { IconButton } from './icons.tsx';
import { KeyEntry } from './key-entry.tsx';
import { sizeOf } from './size-of.ts';

const KINDS = { text: '', talk: 'speech to speech', speech: 'hears', voice: 'speaks' } as const;
const STATUSES = { loaded: 'ready', loading: 'loading', unloaded: 'not loaded', absent: 'to download' } as const;

function factsOf({ kind, status, bytes, fits, contextLength, takes = [], where }: ModelEntry): string {
  return [
    KINDS[kind],
    STATUSES[status],
    bytes === undefined ? '' : sizeOf(bytes),
    fits === undefined ? '' : fits ? 'fits' : 'too large here',
    contextLength === undefined ? '' : `${contextLength.toLocaleString()} tokens`,
    takes.includes('image') ? 'sees' : '',
    takes.includes('audio') ? 'hears' : '',
    where ?? '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

function LoadingBar({ id }: { readonly id: string }) {
  const load = loads.value.get(id);
  if (load === undefined) return null;
  const { phase, share } = load.progress;
  return (
    <div class="row loading">
      <progress value={share} max={1} aria-label={phase} />
      <span class="soft">
        {phase}
        {share === undefined ? '' : ` ${Math.round(share * 100)}%`}
      </span>
      <button type="button" class="quiet" onClick={load.cancel}>
        Cancel
      </button>
    </div>
  );
}

/** Asks once more: what is gone would have to be downloaded again. */
function DeleteModel({ entry: { id, name, bytes } }: { readonly entry: ModelEntry }) {
  const [isAsked, setAsked] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), [isAsked]);
  const label = `Delete ${name} from this browser`;
  if (!isAsked) return <IconButton icon="remove" label={label} onClick={() => setAsked(true)} />;
  const erase = async () => {
    const [item, dialog] = ['li', 'dialog'].map((one) => button.current?.closest(one));
    setAsked(false);
    await removeModel(id);
    // The keyboard goes on from what stands there now.
    const next = (item?.isConnected === true ? item : dialog)?.querySelector<HTMLElement>('button:not(:disabled)');
    if (document.activeElement === document.body) next?.focus();
  };
  return (
    <button
      ref={button}
      type="button"
      class="danger"
      title={label}
      // Safari gives no focus to a button that is pressed, but takes it from this one, which would go before it is clicked.
      onMouseDown={(event) => event.preventDefault()}
      // A key that is held since the first word does not say the second.
      onKeyDown={(event) => event.repeat && event.preventDefault()}
      onBlur={() => setAsked(false)}
      onClick={() => void erase()}
    >
      Delete{bytes === undefined ? '' : ` ${sizeOf(bytes)}`}
    </button>
  );
}

function ModelItem({ entry }: { readonly entry: ModelEntry }) {
  const { id, name, kind, status } = entry;
  const isChosen = model.value?.id === id;
  const answers = kind === 'text' || kind === 'talk';
  const choose = () => {
    if (status === 'absent') return void loadModel(id);
    chooseModel(id);
    openDialog.value = undefined;
  };
  return (
    <li class={isChosen ? 'chosen' : ''}>
      <div class="row">
        <button type="button" class="model-name" disabled={!answers || loads.value.has(id)} aria-pressed={isChosen} onClick={choose}>
          <span>{name}</span>
          <small>{factsOf(entry)}</small>
        </button>
        {status === 'absent' && (
          <IconButton icon="save" label={`Download ${name}`} disabled={loads.value.has(id)} onClick={() => void loadModel(id)} />
        )}
        {status === 'unloaded' && (
          <button type="button" class="quiet" disabled={loads.value.has(id)} onClick={() => void loadModel(id)}>
            Load
          </button>
        )}
        {status === 'loaded' && (
          <button type="button" class="quiet" onClick={() => void unloadModel(id)}>
            Unload
          </button>
        )}
        {status !== 'absent' && transportInUse().remove !== undefined && (
          <DeleteModel entry={entry} />
        )}
      </div>
      <LoadingBar id={id} />
    </li>
  );
}

/** For models that no list has. */
function OtherModels() {
  const [id, setId] = useState('');
  const load = (event: Event) => {
    event.preventDefault();
    if (id.trim() !== '') void loadModel(id.trim());
  };
  return (
    <>
      <form class="row other-model" onSubmit={load}>
        <label>
          Another one: {transportInUse().nameable}
          <input value={id} spellcheck={false} onInput={({ currentTarget: { value } }) => setId(value)} />
        </label>
        <button type="submit">Download</button>
      </form>
      {models.value.every((one) => one.id !== id.trim()) && <LoadingBar id={id.trim()} />}
    </>
  );
}

/** Models that lie on this device as files. */
function OwnFiles() {
  const files = useRef<HTMLInputElement>(null);
  return (
    <p>
      <input ref={files} type="file" multiple hidden onChange={() => void addModelFiles([...(files.current!.files ?? [])])} />
      <button type="button" onClick={() => files.current!.click()}>
        Open a file of this device
      </button>
    </p>
  );
}

function StorageLine() {
  const [storage, setStorage] = useState<Storage>();
  useEffect(() => {
    void transportInUse().storage?.().then(setStorage);
  }, [models.value]);
  if (storage === undefined) return null;
  const { usedBytes, quotaBytes } = storage;
  return (
    <p class="soft">
      {sizeOf(usedBytes)} used{quotaBytes === undefined ? '' : ` of ${sizeOf(quotaBytes)}`} in this browser.
    </p>
  );
}

export function ModelsDialog() {
  useEffect(() => void refreshModels(), []);
  const { place, addFiles } = transportInUse();
  return (
    <Dialog name="models" title="Models" class="models">
      <p class="soft">They run {place}.</p>
      {modelsFailure.value !== undefined && (
        <p class="failure" role="alert">
          {modelsFailure.value}
        </p>
      )}
      <KeyEntry />
      <ul class="model-list">
        {models.value.map((entry) => (
          <ModelItem key={entry.id} entry={entry} />
        ))}
      </ul>
      {modelsFailure.value === undefined && (noDownloads.value === undefined ? <OtherModels /> : <p class="soft">{noDownloads.value}</p>)}
      {addFiles !== undefined && <OwnFiles />}
      {lacks.value !== undefined && <p class="soft">{lacks.value}</p>}
      <StorageLine />
    </Dialog>
  );
}
