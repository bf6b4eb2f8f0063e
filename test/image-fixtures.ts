/** Images of every kind and what PIL, torch and transformers make of them (scripts/fixtures/images.py). */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fixturesPath } from './fixture-tensors.ts';
import type { Image } from '../src/image/image.ts';

interface SizedBytes {
  readonly width: number;
  readonly height: number;
}

/** Pixels before anything is done to them. */
interface Source {
  readonly w: number;
  readonly h: number;
}

export interface ImageExpectations {
  readonly files: Readonly<Record<string, SizedBytes & { readonly rgba: string }>>;
  readonly resize: SizedBytes & {
    readonly source: string;
    readonly cases: readonly (SizedBytes & { readonly filter: 'bilinear' | 'bicubic'; readonly rgb: string })[];
  };
  readonly lfm2: {
    readonly layouts: readonly (SizedBytes & Source & { readonly columns?: number; readonly rows?: number })[];
    readonly cases: readonly (Source & {
      readonly source: string;
      readonly settings: Readonly<Record<string, number | boolean>>;
      readonly tiles: readonly [number, number];
      readonly pictures: readonly { readonly rows: number; readonly columns: number; readonly bytes: string }[];
    })[];
  };
  readonly video: SizedBytes & {
    readonly layouts: readonly (Source & { readonly frames: number; readonly size: readonly [number, number] })[];
    readonly source: string;
    readonly grid: readonly [number, number, number];
    readonly bytes: string;
  };
}

const FOLDER = `${fixturesPath}images/`;

export const imageExpectations = JSON.parse(gunzipSync(readFileSync(`${FOLDER}expected.json.gz`)).toString()) as ImageExpectations;

export function imageFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(FOLDER + name));
}

export function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}

/** Opaque pixels. @param rgb [height, width, 3] */
export function opaque({ width, height }: SizedBytes, rgb: Uint8Array): Image {
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height * 3; i++) data[Math.floor(i / 3) * 4 + (i % 3)] = rgb[i] as number;
  return { width, height, data };
}
