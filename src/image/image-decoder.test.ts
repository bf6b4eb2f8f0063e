/** Image files beside what PIL reads of them (scripts/fixtures/images.py), and files that mean harm. */
import { deflateSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bytesOf, imageExpectations, imageFile } from '../../test/image-fixtures.ts';
import { openImageDecoder } from '../node/image-decoder.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';

const decoder = openImageDecoder();
const files = Object.entries(imageExpectations.files);

/** libjpeg's inverse transform and enlarging of colours differ from the decoder's by so much at most. */
const JPEG_STEPS = 3;

describe('files of every kind', () => {
  it('are there', () => expect(files.length).toBeGreaterThan(30));

  it.each(files)('%s', async (name, { width, height, rgba }) => {
    const image = await decoder.decode(imageFile(name), { name });
    expect(image).toMatchObject({ width, height });
    const expected = bytesOf(rgba);
    expect(image.data.length).toBe(expected.length);
    const worst = (image.data as Uint8Array).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(name.endsWith('.jpg') ? JPEG_STEPS : name === 'deep.png' ? 1 : 0);
  });
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

/** A gray PNG of a header, and of whatever data. */
function png(width: number, height: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  return new Uint8Array(Buffer.concat([
    Buffer.from('\u0089PNG\r\n\u001a\n', 'latin1'),
    chunk('IHDR', header), chunk('IDAT', deflateSync(data)), chunk('IEND', new Uint8Array()),
  ]));
}

function changed(name: string, change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = imageFile(name);
  change(bytes);
  return bytes;
}

function frameOf(jpeg: Uint8Array): number {
  return jpeg.findIndex((byte, i) => byte === 0xff && (jpeg[i + 1] === 0xc0 || jpeg[i + 1] === 0xc2));
}

const text = (words: string) => new TextEncoder().encode(words);

describe('refused by name', () => {
  it.each([
    ['page.png', text('\n<!DOCTYPE html><html>'), /page.png: expected a PNG, JPEG, WebP or GIF image, found a page of HTML/],
    ['drawing.png', text('<?xml version="1.0"?><svg>'), /found an SVG/], ['a.bmp', text('BM1234567890'), /found a BMP/],
    ['a.tiff', text('II*\0aaaaaaaa'), /found a TIFF/], ['a.heic', text('\0\0\0\u0018ftypheic'), /found a HEIC/],
    ['a.avif', text('\0\0\0\u0018ftypavif'), /found an AVIF/], ['a.pdf', text('%PDF-1.7'), /found a PDF/],
    ['a.wav', text('RIFF0000WAVE'), /found a RIFF file that is no WebP/], ['empty.png', new Uint8Array(), /found an empty file/],
    ['words.png', text('hello there'), /found a file that begins with "hello there"/],
    ['lossless.jpg', changed('baseline.jpg', (bytes) => (bytes[frameOf(bytes) + 1] = 0xc3)), /lossless JPEG is not read/],
    ['arithmetic.jpg', changed('baseline.jpg', (bytes) => (bytes[frameOf(bytes) + 1] = 0xc9)), /arithmetic coded JPEG is not read/],
    ['deep.jpg', changed('baseline.jpg', (bytes) => (bytes[frameOf(bytes) + 4] = 12)), /a JPEG of 12 bits a colour is not read/],
  ])('%s', async (name, bytes, message) => {
    const failure = await decoder.decode(bytes, { name }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FormatError);
    expect((failure as Error).message).toMatch(message);
  });
});

describe('a process without memory', () => {
  afterEach(() => vi.restoreAllMocks());
  const fail = (): never => {
    throw new RangeError('Out of memory');
  };

  it.each(['rgb.png', 'lossless.webp'])('says so, and does not blame the file: %s', async (name) => {
    const instance = vi.spyOn(WebAssembly, 'Instance').mockImplementation(function () {
      return fail();
    });
    await expect(decoder.decode(imageFile(name))).rejects.toThrow(CapacityError);
    expect(instance).toHaveBeenCalledOnce();
    instance.mockRestore();
    const copy = vi.spyOn(Uint8Array.prototype, 'slice').mockImplementation(fail);
    await expect(decoder.decode(imageFile(name))).rejects.toThrow(/no memory left to decode an image/);
    copy.mockRestore();
    expect((await decoder.decode(imageFile(name))).width).toBe(29);
  });
});

describe('files that mean harm', () => {
  it.each([
    ['a PNG of 60,000 x 60,000', png(60_000, 60_000, new Uint8Array(99)), /60000 x 60000 = 3600000000 pixels, and at most 50000000/],
    ['a GIF of 65,535 x 65,535', changed('still.gif', (bytes) => bytes.fill(255, 6, 10)), /65535 x 65535/],
    ['a JPEG of 65,500 x 65,500', changed('baseline.jpg', (bytes) => bytes.set([255, 220, 255, 220], frameOf(bytes) + 5)), /65500 x 65500/],
  ])('%s is refused before it is decoded', async (_name, bytes, message) => {
    const failure = await decoder.decode(bytes).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CapacityError);
    expect((failure as Error).message).toMatch(message);
  });

  it('a PNG whose data unpack to more than its pixels takes no more memory than those', async () => {
    const bomb = png(16, 16, new Uint8Array(200 * 2 ** 20));
    const before = process.memoryUsage().rss;
    const image = await decoder.decode(bomb).catch((error: unknown) => error);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
    if (image instanceof Error) expect(image).toBeInstanceOf(FormatError);
  });

  it('a limit of the caller is obeyed', async () => {
    const decoding = decoder.decode(imageFile('rgb.png'), { name: 'a.png', maxPixels: 500 });
    await expect(decoding).rejects.toThrow(/a.png: the PNG has 29 x 19 = 551 pixels/);
  });

  it.each([
    ['a PNG of no width', png(0, 5, new Uint8Array(8)), /0 x 5 pixels: there is nothing to see/],
    ['a PNG with too little data', png(100, 100, new Uint8Array(50)), /cannot be decoded/],
    ['a PNG with a wrong checksum', changed('rgb.png', (bytes) => (bytes[60]! ^= 1)), /cannot be decoded/],
    ['a JPEG whose header says another width', changed('baseline.jpg', (bytes) => (bytes[frameOf(bytes) + 8] = 200)), /JPEG/],
    ['a WebP whose header lies', changed('lossless.webp', (bytes) => (bytes[21]! ^= 3)), /WebP/],
    ['a WebP of a lying canvas', changed('lossy-alpha.webp', (bytes) => (bytes[24]! ^= 3)), /says 32 x 19 pixels, its image has 29 x 19/],
  ])('%s', async (_name, bytes, message) => {
    const result = await decoder.decode(bytes).catch((error: unknown) => error);
    // A JPEG of too few blocks may be read as far as it goes; nothing but an image of the size that was checked comes out.
    if (!(result instanceof Error)) return expect(result).toMatchObject({ width: 200, height: 19 });
    expect(result).toBeInstanceOf(FormatError);
    expect(result.message).toMatch(message);
  });

  it('a JPEG of many scans', async () => {
    const bytes = imageFile('progressive.jpg');
    const scan = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xda);
    const one = bytes.subarray(scan, bytes.indexOf(0xff, scan + 14));
    const many = Buffer.concat([bytes.subarray(0, scan), ...Array<Uint8Array>(200).fill(one), bytes.subarray(scan)]);
    await expect(decoder.decode(new Uint8Array(many))).rejects.toThrow(/more than 100 scans/);
  });

  const cut = [
    'rgb.png', 'palette.png', 'baseline.jpg', 'progressive.jpg',
    'lossless.webp', 'lossy-alpha.webp', 'animated.webp', 'still.gif', 'animated.gif',
  ];

  it.each(cut)('%s cut anywhere fails with a word, or is the image', async (name) => {
    const whole = imageFile(name);
    for (let length = 0; length < whole.length; length += Math.ceil(whole.length / 16)) {
      const result = await decoder.decode(whole.subarray(0, length), { name }).catch((error: unknown) => error);
      if (result instanceof Error) expect(result, `${length}`).toBeInstanceOf(FormatError);
      // Behind a GIF's first frame nothing is read; an animation is cut behind it.
      else expect(name.endsWith('.gif'), `${name} of ${length} bytes`).toBe(true);
    }
  });

  it('changed bytes: an error of ours or an image of the header’s size, and the next file is read', async () => {
    let seed = 7;
    const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
    for (const name of cut) {
      for (let round = 0; round < 5; round++) {
        const bytes = changed(name, (own) => {
          for (let i = 0; i < 3; i++) own[random(own.length)] = random(256);
        });
        const result = await decoder.decode(bytes, { maxPixels: 1e6 }).catch((error: unknown) => error);
        const isOurs = result instanceof FormatError || result instanceof CapacityError;
        if (result instanceof Error) expect(isOurs, `${name}: ${result.stack}`).toBe(true);
      }
    }
    expect((await decoder.decode(imageFile('rgb.png'))).width).toBe(29);
  });
});
