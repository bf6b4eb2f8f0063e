/** The models there are, and which one answers. */
import { computed, signal } from '@preact/signals';
import { orAborted } from '../transport/or-aborted.ts';
import { KeyNeeded } from '../transport/transport.ts';
import type { LoadProgress, ModelEntry, Transport } from '../transport/transport.ts';
import { change, currentId } from './conversations.ts';
import { tellFailure } from './notices.ts';
import { chosenModel } from './settings.ts';

export const models = signal<readonly ModelEntry[]>([]);
/** Why there are none; undefined: they are there, or asked for. */
export const modelsFailure = signal<string | undefined>(undefined);
export const needsKey = signal(false);

export interface RunningLoad {
  readonly progress: LoadProgress;
  /** Whether it came about. Never rejects. */
  readonly done: Promise<boolean>;
  readonly cancel: () => void;
}

/** By id: models that are made ready. */
export const loads = signal<ReadonlyMap<string, RunningLoad>>(new Map());

/** Chats are answered by models of text and by those that answer speech. */
export const chatModels = computed(() => models.value.filter(({ kind }) => kind === 'text' || kind === 'talk'));
export const ears = computed(() => models.value.find(({ kind }) => kind === 'speech'));
export const voice = computed(() => models.value.find(({ kind }) => kind === 'voice'));
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
    models.value = await transport.listModels();
    modelsFailure.value = undefined;
    needsKey.value = false;
  } catch (error) {
    needsKey.value = error instanceof KeyNeeded;
    modelsFailure.value = error instanceof Error ? error.message : String(error);
  }
}

export function chooseModel(id: string): void {
  chosenModel.value = id;
  if (currentId.value !== undefined) change(currentId.value, (one) => ({ ...one, model: id }));
}

export function nameOf(id: string): string {
  return models.value.find((one) => one.id === id)?.name ?? id;
}

/**
 * Where models run in the page, one is ready before it is asked; a server loads what it is asked for.
 * @param stopped ends the waiting, not the load, which others may wait for too
 * @throws Error in words; the signal's reason
 */
export async function ensureLoaded(id: string, stopped: AbortSignal): Promise<void> {
  const { status } = models.value.find((one) => one.id === id) ?? {};
  if (transport.kind === 'server' || status === 'loaded') return;
  if (!(await orAborted(loadModel(id), stopped))) throw new Error('The model is not there. Choose one, or load it again.');
}

function setLoad(id: string, load: RunningLoad | undefined): void {
  const next = new Map(loads.value);
  if (load === undefined) next.delete(id);
  else next.set(id, load);
  loads.value = next;
}

/** Makes a model ready, and has it answer; one that is on its way already is waited for. Whether that came about. */
export function loadModel(id: string): Promise<boolean> {
  const there = loads.value.get(id);
  if (there !== undefined) return there.done;
  const controller = new AbortController();
  const cancel = () => controller.abort();
  let settle: (isReady: boolean) => void = () => {};
  const done = new Promise<boolean>((resolve) => (settle = resolve));
  const onProgress = (progress: LoadProgress) => {
    // What is reported after its end is of no load.
    if (!controller.signal.aborted) setLoad(id, { progress, done, cancel });
  };
  const load = async () => {
    try {
      chooseModel(await transport.load(id, { signal: controller.signal, onProgress }));
      return true;
    } catch (error) {
      if (!controller.signal.aborted) tellFailure(error);
      return false;
    } finally {
      // It is listed as loaded before its load is over, so that nobody loads it again in between.
      await refreshModels();
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
