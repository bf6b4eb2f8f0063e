/** Models that a page may offer: those of its own host, and small ones of the hub that chats are good with. */
import type { PageKind } from './remembered-models.ts';
import type { ModelEntry, ModelKind } from './transport.ts';

/** What a line of `models.json` beside the page says: `url` is from the page. */
export interface HostModel {
  readonly name: string;
  readonly url: string;
  readonly bytes?: number;
  /** Of one that hears (`speech`) or speaks (`voice`). */
  readonly kind?: ModelKind;
}

export type KnownModel = Pick<ModelEntry, 'id' | 'name' | 'bytes'> & { readonly kind: PageKind };

/** Bytes are those of the file that is taken by default, to two digits: what comes is told by the host that it comes from. */
export const HUB: readonly KnownModel[] = [
  { id: 'Qwen/Qwen3-0.6B-GGUF', name: 'Qwen3 0.6B', bytes: 640e6, kind: 'text' },
  { id: 'ggml-org/gemma-3-1b-it-GGUF', name: 'Gemma 3 1B', bytes: 810e6, kind: 'text' },
  { id: 'LiquidAI/LFM2.5-1.2B-Instruct-GGUF', name: 'LFM2.5 1.2B', bytes: 730e6, kind: 'text' },
  { id: 'unsloth/Llama-3.2-1B-Instruct-GGUF', name: 'Llama 3.2 1B', bytes: 810e6, kind: 'text' },
  { id: 'Qwen/Qwen3-1.7B-GGUF', name: 'Qwen3 1.7B', bytes: 1.8e9, kind: 'text' },
  { id: 'UsefulSensors/moonshine-tiny', name: 'Moonshine tiny (English)', bytes: 110e6, kind: 'speech' },
  { id: 'openai/whisper-base', name: 'Whisper base (99 languages)', bytes: 290e6, kind: 'speech' },
];

/** It needs espeak-ng, which a host may have beside the page. */
export const KOKORO: KnownModel = { id: 'hexgrad/Kokoro-82M', name: 'Kokoro 82M', bytes: 360e6, kind: 'voice' };

/** @throws Error in words for a kind that no page runs */
function kindOf({ name, kind = 'text' }: HostModel): PageKind {
  if (kind === 'text' || kind === 'speech' || kind === 'voice') return kind;
  throw new Error(`The page's list of models: the kind of "${name}" is ${JSON.stringify(kind)}; expected "text", "speech" or "voice".`);
}

function isHostModel(one: unknown): one is HostModel {
  const { name, url } = (one ?? {}) as Partial<Record<keyof HostModel, unknown>>;
  return typeof name === 'string' && typeof url === 'string';
}

const KEPT = 'ingot host models';

/** The host's list, or without a network the one that it had last. */
async function hostModels(list: string): Promise<readonly HostModel[]> {
  let text = '[]';
  try {
    const response = await fetch(list);
    if (!response.ok) throw new Error(`status ${response.status}`);
    text = await response.text();
    localStorage.setItem(KEPT, text);
  } catch {
    text = localStorage.getItem(KEPT) ?? text;
  }
  const read = JSON.parse(text) as unknown;
  return (Array.isArray(read) ? read : []).filter(isHostModel);
}

/**
 * Which models the page's host has is in a line of the page, so that no request fails where it has none.
 * @throws Error in words for a list that names a kind that no page runs
 */
export async function knownModels(): Promise<readonly KnownModel[]> {
  const list = document.querySelector<HTMLMetaElement>('meta[name=ingot-models]')?.dataset['list'];
  const own = list === undefined ? [] : await hostModels(list);
  const ofHost = own.map((one) => ({ id: new URL(one.url, document.baseURI).href, name: one.name, bytes: one.bytes, kind: kindOf(one) }));
  return [...ofHost, ...HUB];
}
