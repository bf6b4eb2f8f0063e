/** Draws the formulas of rendered Markdown as MathML; Temml comes with the first one. */
interface Temml {
  render(tex: string, into: HTMLElement, options: Readonly<Record<string, boolean | number>>): void;
}

/** Its declarations leave the default export out of the module that has it. */
let loading: Promise<{ readonly default: Temml }> | undefined;

export async function drawFormulas(within: ParentNode): Promise<void> {
  const formulas = [...within.querySelectorAll<HTMLElement>('.formula:not(.drawn)')];
  if (formulas.length === 0) return;
  loading ??= import('temml') as unknown as Promise<{ readonly default: Temml }>;
  const { default: temml } = await loading;
  for (const element of formulas) {
    const tex = element.textContent ?? '';
    element.classList.add('drawn');
    // What cannot be read stays as it was written.
    const drawn = document.createElement('span');
    try {
      temml.render(tex, drawn, { displayMode: element.dataset['display'] === 'true', throwOnError: true, trust: false, maxExpand: 200 });
    } catch {
      continue;
    }
    element.replaceChildren(...drawn.childNodes);
    element.setAttribute('title', tex);
  }
}
