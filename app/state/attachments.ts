/** Files that go with a message: pictures made small enough, sounds that a model may hear, texts as they are. */
import { signal } from '@preact/signals';
import type { ContentPart, SoundFormat } from '../transport/transport.ts';
import type { Attachment } from './conversation.ts';
import { tell } from './notices.ts';
import { wavOf } from './sound.ts';

/** Beyond it models see no more, and a server may refuse the bytes. */
const MOST_IMAGE_SIDE = 2048;
const MOST_TEXT_BYTES = 1_000_000;
const MOST_SOUND_BYTES = 6_000_000;

/** What goes with the message that is being written. */
export const attached = signal<readonly Attachment[]>([]);

async function isText(file: File): Promise<boolean> {
  const bytes = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
  if (bytes.includes(0)) return false;
  try {
    // The last character of a part may be cut.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

async function smallImage(file: File): Promise<Blob> {
  const picture = await createImageBitmap(file);
  const { width, height } = picture;
  const scale = MOST_IMAGE_SIDE / Math.max(width, height);
  if (scale >= 1 && /^image\/(png|jpeg|webp|gif)$/.test(file.type)) return file;
  const canvas = new OffscreenCanvas(Math.round(width * Math.min(1, scale)), Math.round(height * Math.min(1, scale)));
  canvas.getContext('2d')!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
}

async function attachmentOf(file: File): Promise<Attachment> {
  const { name } = file;
  if (file.type.startsWith('image/')) return { kind: 'image', name, blob: await smallImage(file) };
  if (file.type.startsWith('audio/') || file.type === 'video/ogg') {
    const blob = /wav|mpeg|mp3|flac|ogg/.test(file.type) && file.size <= MOST_SOUND_BYTES ? file : await wavOf(file);
    if (blob.size > MOST_SOUND_BYTES) throw new Error('it is too long for a message');
    return { kind: 'audio', name, blob };
  }
  if (!(await isText(file))) throw new Error('it is no picture, no sound and no text');
  if (file.size > MOST_TEXT_BYTES) throw new Error('a text may have 1 MB');
  return { kind: 'text', name, blob: file.slice(0, file.size, 'text/plain') };
}

export async function attach(files: readonly File[]): Promise<void> {
  for (const file of files) {
    try {
      const made = await attachmentOf(file);
      attached.value = [...attached.value, made];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      tell(`${file.name} is not attached: ${why.replace(/\.$/, '')}.`);
    }
  }
}

export function detach(attachment: Attachment): void {
  attached.value = attached.value.filter((one) => one !== attachment);
}

function soundFormatOf({ type }: Blob): SoundFormat {
  if (/mpeg|mp3/.test(type)) return 'mp3';
  if (type.includes('flac')) return 'flac';
  return type.includes('ogg') ? 'ogg' : 'wav';
}

/** A fence longer than any within, so that the text cannot end it. */
function fenced(name: string, text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${name}:\n${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
}

/** A message's content: texts stand in front of what was written. */
export async function contentOf(text: string, attachments: readonly Attachment[] = []): Promise<string | ContentPart[]> {
  const texts: string[] = [];
  const parts: ContentPart[] = [];
  for (const { kind, name, blob } of attachments) {
    if (kind === 'text') texts.push(fenced(name, await blob.text()));
    else if (kind === 'image') parts.push({ type: 'image', blob });
    else parts.push({ type: 'audio', blob, format: soundFormatOf(blob) });
  }
  const whole = [...texts, text].filter((one) => one !== '').join('\n\n');
  if (parts.length === 0) return whole;
  return whole === '' ? parts : [...parts, { type: 'text', text: whole }];
}
