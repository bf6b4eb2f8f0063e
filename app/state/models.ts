/** The models there are, and which one answers. */
import { computed, signal } from '@preact/signals';
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

/** Where models run in the page, one is ready before it is asked; a server loads what it is asked for. @throws Error in words */
export async function ensureLoaded(id: string): Promise<void> {
  const { status } = models.value.find((one) => one.id === id) ?? {};
  if (transport.kind === 'server' || status === 'loaded') return;
  if (!(await loadModel(id))) throw new Error('The model is not there. Choose one, or load it again.');
}

function setLoad(id: string, load: RunningLoad | undefined): void {
  const next = new Map(loads.value);
  if (load === undefined) next.delete(id);
  else next.set(id, load);
  loads.value = next;
}

/** Makes a model ready, and has it answer. Whether that came about. */
export async function loadModel(id: string): Promise<boolean> {
  if (loads.value.has(id)) return false;
  const controller = new AbortController();
  const cancel = () => controller.abort();
  setLoad(id, { progress: { phase: 'Loading', share: undefined }, cancel });
  try {
    const onProgress = (progress: LoadProgress) => setLoad(id, { progress, cancel });
    const listed = await transport.load(id, { signal: controller.signal, onProgress });
    chooseModel(listed);
    return true;
  } catch (error) {
    if (!controller.signal.aborted) tellFailure(error);
    return false;
  } finally {
    setLoad(id, undefined);
    await refreshModels();
  }
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
