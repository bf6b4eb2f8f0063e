/** A model is loaded as what it is known for; where its files say otherwise, as what they say. */
import type { PageKind } from './remembered-models.ts';

export interface KindLoad {
  /** By a list, or by what was loaded before; undefined: its files have to say. */
  readonly known: PageKind | undefined;
  readonly loadAs: (kind: PageKind) => Promise<string>;
  /** What is known of its kind is wrong: its files have changed, or were taken for another's. */
  readonly forgetKind: () => void;
}

/** What a model is by its files, which say so before weights are read; undefined where it was refused for another reason. */
function kindBy(error: unknown): PageKind | undefined {
  const { modelKind } = (error ?? {}) as { readonly modelKind?: unknown };
  return modelKind === 'speech' ? 'speech' : modelKind === 'other' ? 'text' : undefined;
}

/** @returns what it is called where it is loaded, and as what @throws what loading does, of the kind that its files say */
export async function loadByKind({ known, loadAs, forgetKind }: KindLoad): Promise<{ readonly id: string; readonly kind: PageKind }> {
  const kind = known ?? 'text';
  try {
    return { id: await loadAs(kind), kind };
  } catch (error) {
    const other = kindBy(error);
    if (other === undefined || other === kind) throw error;
    forgetKind();
    return { id: await loadAs(other), kind: other };
  }
}
