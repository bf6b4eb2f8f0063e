/** Ogg files of one stream (RFC 3533): Opus (RFC 7845), Vorbis, FLAC. */
import CodecParser from 'codec-parser';
import type { CodecFrame, OggPage, OpusHeader } from 'codec-parser';
import { FormatError } from '../tensor/errors.ts';
import type { AudioStream } from './audio-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import { decodedStream, EMPTY_PART, KEEP_DAMAGE } from './decoded-stream.ts';
import type { DecodedPart, PartDecoder } from './decoded-stream.ts';
import { hasRightChecksum } from './ogg-checksum.ts';
import type { WavReadOptions } from './wav-reader.ts';

/** Decodes the packets of pages in order. */
interface PageDecoder {
  decode(pages: OggPage[]): DecodedPart | Promise<DecodedPart>;
  free(): void | Promise<void>;
}

/** How many bytes of the first page stand before its packet, where that has one segment. */
const PACKET_AT = 28;

/**
 * @param reader at "OggS"
 * @throws as `decodedStream`; FormatError also where pages are missing, or there are several streams
 */
export async function readOgg(reader: ByteReader, { damaged }: WavReadOptions): Promise<AudioStream> {
  const head = (await reader.take(PACKET_AT + 8)).slice();
  reader.putBack(head);
  const coding = codingOf(String.fromCharCode(...head.subarray(PACKET_AT)), reader.name);
  const decoder = await MAKERS[coding]();
  const parts = pagedParts(decoder, { name: reader.name, keepsDamage: damaged === 'keep' });
  return decodedStream(reader, parts, { kind: `Ogg (${coding})`, damaged });
}

type OggCoding = 'Opus' | 'Vorbis' | 'FLAC';

function codingOf(packet: string, name: string): OggCoding {
  if (packet.startsWith('OpusHead')) return 'Opus';
  if (packet.startsWith('\x01vorbis')) return 'Vorbis';
  if (packet.startsWith('\x7fFLAC')) return 'FLAC';
  throw new FormatError(`${name}: expected Ogg with Opus, Vorbis or FLAC, found a stream that begins with ${JSON.stringify(packet)}.`);
}

const MAKERS: Readonly<Record<OggCoding, () => Promise<PageDecoder>>> = {
  async Vorbis() {
    const { OggVorbisDecoder } = await import('@wasm-audio-decoders/ogg-vorbis');
    const decoder = new OggVorbisDecoder();
    await decoder.ready;
    return { decode: (pages) => decoder.decodeOggPages(pages), free: () => decoder.free() };
  },
  async FLAC() {
    const { FLACDecoder } = await import('@wasm-audio-decoders/flac');
    const decoder = new FLACDecoder();
    await decoder.ready;
    const { withFullScale } = await import('./flac-audio.ts');
    const decode = async (pages: OggPage[]): Promise<DecodedPart> =>
      withFullScale(await decoder.decodeFrames(framesOf(pages).map(({ data }) => data)));
    return { decode, free: () => decoder.free() };
  },
  async Opus() {
    const { OpusDecoder } = await import('opus-decoder');
    let decoder: InstanceType<typeof OpusDecoder> | undefined;
    let made = 0;
    return {
      async decode(pages) {
        const frames = framesOf(pages);
        if (decoder === undefined && frames.length > 0) {
          const { channels, streamCount, coupledStreamCount, channelMappingTable, preSkip } = frames[0]!.header as OpusHeader;
          // Absent for one and two channels, whatever the declaration says.
          const table = channelMappingTable as readonly number[] | undefined;
          decoder = new OpusDecoder({ channels, streamCount, coupledStreamCount, channelMappingTable: table && [...table], preSkip });
          await decoder.ready;
        }
        if (decoder === undefined || frames.length === 0) return EMPTY_PART;
        const part = decoder.decodeFrames(frames.map(({ data }) => data));
        made += part.samplesDecoded;
        const last = pages.at(-1)!;
        // The last page says where its last sample stands, counted with those that are skipped at the beginning.
        const end = Number(last.absoluteGranulePosition) - (frames[0]!.header as OpusHeader).preSkip;
        return last.isLastPage ? cutEnd(part, made - end) : part;
      },
      free: () => decoder?.free(),
    };
  },
};

function framesOf(pages: readonly OggPage[]): CodecFrame[] {
  return pages.flatMap(({ codecFrames }) => codecFrames);
}

/** Without the samples behind the end that the last page names: packets have fixed lengths. */
function cutEnd(part: DecodedPart, surplus: number): DecodedPart {
  const samplesDecoded = Math.max(0, part.samplesDecoded - Math.max(0, surplus));
  return { ...part, samplesDecoded, channelData: part.channelData.map((values) => values.subarray(0, samplesDecoded)) };
}

function pagedParts(decoder: PageDecoder, { name, keepsDamage }: { readonly name: string; readonly keepsDamage: boolean }): PartDecoder {
  const parser = new CodecParser<OggPage>('application/ogg', { enableFrameCRC32: false });
  let [next, isWhole]: [number | undefined, boolean] = [undefined, false];
  let serial: number | undefined;
  const checked = (pages: OggPage[]): OggPage[] => {
    for (const page of pages) {
      serial ??= page.streamSerialNumber;
      if (page.streamSerialNumber !== serial)
        throw new FormatError(`${name}: expected one stream in the Ogg file, found several. Convert it to one.`);
      if (!keepsDamage && !hasRightChecksum(page.rawData))
        throw new FormatError(`${name}: page ${page.pageSequenceNumber} is damaged or cut: its checksum is wrong. ${KEEP_DAMAGE}`);
      if (!keepsDamage && next !== undefined && page.pageSequenceNumber !== next)
        throw new FormatError(`${name}: page ${next} is missing: the next one is ${page.pageSequenceNumber}. ${KEEP_DAMAGE}`);
      next = page.pageSequenceNumber + 1;
      isWhole ||= page.isLastPage;
    }
    return pages;
  };
  const decode = (pages: OggPage[]): DecodedPart | Promise<DecodedPart> =>
    pages.length === 0 ? EMPTY_PART : decoder.decode(checked(pages));
  return {
    decode: (bytes) => decode(allOf(parser.parseChunk(bytes))),
    async end() {
      const last = await decode(allOf(parser.flush()));
      if (!isWhole && !keepsDamage) throw new FormatError(`${name} ends early: it has no last page. ${KEEP_DAMAGE}`);
      return last;
    },
    free: () => decoder.free(),
  };
}

function allOf<Item>(iterator: Iterator<Item>): Item[] {
  const items: Item[] = [];
  for (let step = iterator.next(); step.done !== true; step = iterator.next()) items.push(step.value);
  return items;
}
