/** Sizes of a run by the names of dims: those that the run gives, and those derived from them. */

export type DimSizes = Readonly<Record<string, number>>;

/** A dim whose size follows from others: `frames / 2`. */
export interface DerivedDim {
  readonly name: string;
  readonly of: (sizes: DimSizes) => number;
}

/** All sizes of a run. @throws Error for a derived size that is no whole number of at least 0 */
export function sizesOf(derived: readonly DerivedDim[], given: DimSizes): DimSizes {
  const sizes: Record<string, number> = { ...given };
  for (const { name, of } of derived) {
    const size = of(sizes);
    if (!(Number.isInteger(size) && size >= 0))
      throw new Error(`dim ${name}: expected a whole number for sizes ${JSON.stringify(given)}, found ${size}`);
    sizes[name] = size;
  }
  return sizes;
}
