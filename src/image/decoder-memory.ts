/** A WebAssembly module whose memory cannot grow past a limit: what it decodes may ask for any amount. */

const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;
const HAS_MAXIMUM = 1;
const PAGE_BYTES = 65_536;

/**
 * A copy of a module that has a memory of its own, with that memory's limit (WebAssembly core specification, 5.5.8).
 * @throws Error for what is no such module
 */
export function withMemoryLimit(module: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  let at = HEADER_BYTES;
  while (at < module.length) {
    const size = readUnsigned(module, at + 1);
    const end = size.end + size.value;
    if (module[at] === MEMORY_SECTION) {
      const least = readUnsigned(module, readUnsigned(module, size.end).end + 1).value;
      const limits = [1, HAS_MAXIMUM, ...unsigned(least), ...unsigned(Math.max(least, Math.floor(bytes / PAGE_BYTES)))];
      const section = [MEMORY_SECTION, ...unsigned(limits.length), ...limits];
      const limited = new Uint8Array(at + section.length + module.length - end);
      limited.set(module.subarray(0, at));
      limited.set(section, at);
      limited.set(module.subarray(end), at + section.length);
      return limited;
    }
    at = end;
  }
  throw new Error('image decoder: the module has no memory of its own');
}

/** LEB128. */
function readUnsigned(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0, end = at; shift < 35; shift += 7, end++) {
    const byte = bytes[end] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: end + 1 };
  }
  throw new Error('image decoder: the module is damaged');
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}
