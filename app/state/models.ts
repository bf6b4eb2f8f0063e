/** The models there are, and which one answers. */
import { computed, signal } from '@preact/signals';
import { orAborted } from '../transport/or-aborted.ts';
import { KeyNeeded } from '../transport/transport.ts';
import type { LoadProgress, ModelEntry, ModelKind, Transport } from '../transport/transport.ts';
import { change, currentId } from './conversations.ts';
import { tellFailure } from './notices.ts';
import { chosenModel } from './settings.ts';

export const models = signal<readonly ModelEntry[]>([]);
/** Why there are none; undefined: they are there, or asked for. */
export const modelsFailure = signal<string | undefined>(undefined);
/** Why no other models can be downloaded; undefined: they can. */
export const noDownloads = signal<string | undefined>('');
/** What the place where models run cannot do, and why. */
export const lacks = signal<string | undefined>(undefined);
export const needsKey = signal(false);

export interface RunningLoad {
  readonly progress: LoadProgress;
  /** What the model is called that is there then; undefined: it did not come about. Never rejects. */
  readonly done: Promise<string | undefined>;
  readonly cancel: () => void;
}

/** By id: models that are made ready. */
export const loads = signal<ReadonlyMap<string, RunningLoad>>(new Map());

/** Chats are answered by models of text and by those that answer speech. */
export const chatModels = computed(() => models.value.filter(({ kind }) => kind === 'text' || kind === 'talk'));
/** What hears, and what speaks; where none is there yet, one that may be downloaded. */
export const ears = computed(() => firstOf('speech'));
export const voice = computed(() => firstOf('voice'));
function firstOf(kind: ModelKind): ModelEntry | undefined {
  const all = models.value.filter((one) => one.kind === kind);
  return all.find(({ status }) => status !== 'absent') ?? all[0];
}

export const model = computed<ModelEntry | undefined>(() => {
  const isReady = ({ status }: ModelEntry) => status !== 'absent';
  return chatModels.value.find(({ id }) => id === chosenModel.value) ?? chatModels.value.find(isReady);
});

let transport: Transport;

export function useTransport(chosen: Transport): void {
  transport = chosen;
}

export function transportInUse(): Transport {
  return transport;
}

export async function refreshModels(): Promise<void> {
  try {
    const list = await transport.listModels();
    models.value = list.models;
    noDownloads.value = list.noDownloads;
    lacks.value = list.lacks;
    modelsFailure.value = undefined;
    needsKey.value = false;
  } catch (error) {
    needsKey.value = error instanceof KeyNeeded;
    modelsFailure.value = error instanceof Error ? error.message : String(error);
  }
}

export function chooseModel(id: string): void {
  chosenModel.value = id;
  if (currentId.value !== undefined) void change(currentId.value, (one) => ({ ...one, model: id }));
}

export function nameOf(id: string): string {
  return models.value.find((one) => one.id === id)?.name ?? id;
}

/**
 * Where models run in the page, one is ready before it is asked; a server loads what it is asked for, but must have it first.
 * @param stopped ends the waiting, not the load, which others may wait for too
 * @returns what the model is called where it runs
 * @throws Error in words; the signal's reason
 */
export async function ensureLoaded(id: string, stopped: AbortSignal): Promise<string> {
  const { status } = models.value.find((one) => one.id === id) ?? {};
  if (status === 'loaded' || (transport.kind === 'server' && status !== 'absent')) return id;
  const loaded = await orAborted(loadModel(id), stopped);
  if (loaded === undefined) throw new Error('The model is not there. Choose one, or load it again.');
  return loaded;
}

function setLoad(id: string, load: RunningLoad | undefined): void {
  const next = new Map(loads.value);
  if (load === undefined) next.delete(id);
  else next.set(id, load);
  loads.value = next;
}

/** Makes a model ready, and has it answer; one that is on its way already is waited for. Gives what {@link RunningLoad} does. */
export function loadModel(id: string): Promise<string | undefined> {
  const there = loads.value.get(id);
  if (there !== undefined) return there.done;
  const controller = new AbortController();
  const cancel = () => controller.abort();
  let settle: (loaded: string | undefined) => void = () => {};
  const done = new Promise<string | undefined>((resolve) => (settle = resolve));
  let isOver = false;
  const onProgress = (progress: LoadProgress) => {
    // What is reported after its end is of no load: a voice that is fetched when it is asked for.
    if (!isOver && !controller.signal.aborted) setLoad(id, { progress, done, cancel });
  };
  const load = async () => {
    try {
      const loaded = await transport.load(id, { signal: controller.signal, onProgress });
      await refreshModels();
      // One that hears or speaks answers nothing.
      if (chatModels.value.some((one) => one.id === loaded)) chooseModel(loaded);
      return loaded;
    } catch (error) {
      if (!controller.signal.aborted) tellFailure(error);
      await refreshModels();
      return undefined;
    } finally {
      // By now it is listed as loaded, so that nobody loads it again in between.
      isOver = true;
      setLoad(id, undefined);
    }
  };
  onProgress({ phase: 'Loading', share: undefined });
  void load().then(settle);
  return done;
}

export async function unloadModel(id: string): Promise<void> {
  await transport.unload(id).catch(tellFailure);
  await refreshModels();
}

export async function removeModel(id: string): Promise<void> {
  await transport.remove?.(id).catch(tellFailure);
  await refreshModels();
}

export async function addModelFiles(files: readonly File[]): Promise<void> {
  try {
    const id = await transport.addFiles!(files);
    await refreshModels();
    await loadModel(id);
  } catch (error) {
    tellFailure(error);
  }
}
