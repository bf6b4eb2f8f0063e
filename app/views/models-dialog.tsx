/** The models there are: how large, whether they fit, whether they are ready, and which one answers. */
import { useEffect, useRef, useState } from 'preact/hooks';
import {
  addModelFiles,
  chooseModel,
  loadModel,
  loads,
  model,
  models,
  modelsFailure,
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
          <IconButton icon="remove" label={`Delete ${name} from this browser`} onClick={() => void removeModel(id)} />
        )}
      </div>
      <LoadingBar id={id} />
    </li>
  );
}

/** For models of the hub, of an address, and of files of this device. */
function OtherModels() {
  const [id, setId] = useState('');
  const files = useRef<HTMLInputElement>(null);
  const load = (event: Event) => {
    event.preventDefault();
    if (id.trim() !== '') void loadModel(id.trim());
  };
  return (
    <>
      <form class="row other-model" onSubmit={load}>
        <label>
          Another one: owner/name of Hugging Face, or an address
          <input value={id} spellcheck={false} onInput={({ currentTarget: { value } }) => setId(value)} />
        </label>
        <button type="submit">Download</button>
      </form>
      <LoadingBar id={id.trim()} />
      <input ref={files} type="file" multiple hidden onChange={() => void addModelFiles([...(files.current!.files ?? [])])} />
      <p>
        <button type="button" onClick={() => files.current!.click()}>
          Open a file of this device
        </button>
      </p>
    </>
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
      {addFiles !== undefined && <OtherModels />}
      <StorageLine />
    </Dialog>
  );
}
