/**
 * A kernel's text whose arrays lie in buffers that it binds together with others' arrays: each such buffer is a struct, whose members are
 * the kernel's own arrays at the places where they lie. A place is then a part of a type. No number is added to an index, so that what a
 * compiler knows of an index, and with it the width of a load, stays what it is: views at offsets and indexes that were moved made kernels
 * 7 to 15% slower on an H200 (docs/experiments.md, "Calls of a token").
 */
import { ACCESS, typeSize } from '../kernel.ts';
import type { BindingAccess, Kernel } from '../kernel.ts';
import { renameVariables } from './rename-variables.ts';

/** Where one of a kernel's bindings lies. */
export interface Placed {
  /** Its name in the text. */
  readonly name: string;
  readonly type: string;
  /** Number of the binding that holds it. */
  readonly binding: number;
  /** Bytes from that binding's beginning on. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** @param accesses of all bindings of the group, in order; of those that the kernel has nothing in, it declares none */
export function textWithStructs(kernel: Kernel, places: readonly Placed[], accesses: readonly BindingAccess[]): string {
  const declared: string[] = [];
  const names = new Map<string, string>();
  const fresh: string[] = [];
  for (const binding of new Set(places.map((place) => place.binding))) {
    const own = places.filter((place) => place.binding === binding);
    const declare = (name: string, type: string) =>
      declared.push(`@group(0) @binding(${binding}) ${ACCESS[accesses[binding] as BindingAccess]} ${name}: ${type};`);
    if (isWhole(own)) for (const { name, type } of own) declare(name, type);
    else {
      const [variable, name] = [`shared${binding}`, `Shared${binding}`];
      const { text, members } = structOf(own, { name, wgsl: kernel.wgsl });
      declared.push(text);
      for (const [array, member] of members) names.set(array, `${variable}.${member}`);
      fresh.push(variable, name);
      declare(variable, name);
    }
  }
  const text = renameVariables(withoutBindings(kernel), names, fresh);
  const [enables = ''] = /^(?:enable [^\n]*\n)*/.exec(text) ?? [];
  return `${enables}${declared.join('\n')}\n${text.slice(enables.length)}`;
}

/** Whether a binding is one array from its beginning on, so that the text sees it as it did. */
export function isWhole(own: readonly Placed[]): boolean {
  return own.length === 1 && own[0]?.offset === 0;
}

/** @throws Error for arrays of one binding that lie in each other, and for what is no array: a struct has no place for them */
export function checkPlaces(places: readonly Placed[]): void {
  for (const binding of new Set(places.map((place) => place.binding))) {
    const own = places.filter((place) => place.binding === binding);
    if (isWhole(own)) continue;
    for (const [i, place] of distinctOf(own).entries()) {
      elementOf(place);
      const before = distinctOf(own)[i - 1];
      if (before !== undefined && place.offset < before.offset + before.sizeBytes)
        throw new Error(`${before.name} of ${before.sizeBytes} bytes at ${before.offset} leaves ${place.name} no place at ${place.offset}`);
    }
  }
}

/** By place, those that lie at one place as one type once. */
function distinctOf(places: readonly Placed[]): readonly Placed[] {
  const sorted = places.toSorted((a, b) => a.offset - b.offset);
  return sorted.filter(({ offset, type }, i) => offset !== sorted[i - 1]?.offset || type !== sorted[i - 1]?.type);
}

function elementOf({ name, type }: Placed): string {
  const [, element] = /^array<(.+)>$/.exec(type) ?? [];
  if (element === undefined) throw new Error(`${name} is no array, but ${type}`);
  return element;
}

function withoutBindings({ wgsl, bindings, label }: Kernel): string {
  return bindings.reduce((text, { name, access, type }, i) => {
    const line = `@group(0) @binding(${i}) ${ACCESS[access]} ${name}: ${type};\n`;
    if (!text.includes(line)) throw new Error(`${label}: its text does not declare ${name} as its bindings do`);
    return text.replace(line, '');
  }, wgsl);
}

/**
 * Arrays at their places, and by name the member that it is; the last one goes on to the end of what is bound. What lies between is an
 * array as well: Dawn refuses a struct with more than 10 MiB of padding.
 */
function structOf(places: readonly Placed[], { name, wgsl }: { readonly name: string; readonly wgsl: string }) {
  const distinct = distinctOf(places);
  const fields = distinct.flatMap((place, i) => {
    const next = distinct[i + 1];
    if (next === undefined) return [`${place.name}: ${place.type}`];
    const element = elementOf(place);
    const { stride } = typeSize(element, wgsl);
    const count = Math.floor(place.sizeBytes / stride);
    return [`${place.name}: array<${element}, ${count}>`, ...gap(i, next.offset - place.offset - count * stride)];
  });
  const members = places.map((place) => {
    const member = distinct.find(({ offset, type }) => offset === place.offset && type === place.type);
    return [place.name, member?.name ?? place.name] as const;
  });
  return { text: `struct ${name} { ${[...gap('Before', distinct[0]?.offset ?? 0), ...fields].join(', ')} }`, members };
}

/** The field up to the next one's place, if there is anything between. */
function gap(name: number | string, bytes: number): readonly string[] {
  return bytes > 0 ? [`gap${name}: array<u32, ${bytes / 4}>`] : [];
}
