/** A Markdown text. Blocks that have not changed keep their nodes, so that a text that grows is drawn at its end alone. */
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { colourCode } from '../text/colour-code.ts';
import { drawFormulas } from '../text/draw-formulas.ts';
import { blocksOf } from '../text/markdown-blocks.ts';
import { renderMarkdown } from '../text/render-markdown.ts';
import { COPIED_MS, copyText } from '../state/copy-text.ts';

function copyButton(text: string): HTMLElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet copy-code';
  button.textContent = 'Copy';
  button.addEventListener('click', () => {
    void copyText(text).then((isCopied) => {
      if (!isCopied) return;
      button.textContent = 'Copied';
      setTimeout(() => (button.textContent = 'Copy'), COPIED_MS);
    });
  });
  return button;
}

/** Code with a head that names its language and copies it. */
function frameCode(within: DocumentFragment): void {
  for (const block of within.querySelectorAll('pre')) {
    const frame = document.createElement('div');
    frame.className = 'code-frame';
    const head = document.createElement('div');
    head.className = 'code-head';
    const language = document.createElement('span');
    language.textContent = block.dataset['language'] || 'text';
    head.append(language, copyButton(block.textContent ?? ''));
    block.tabIndex = 0;
    block.setAttribute('role', 'region');
    block.setAttribute('aria-label', 'Code');
    block.replaceWith(frame);
    frame.append(head, block);
  }
}

function Block({ text, isWhole }: { readonly text: string; readonly isWhole: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const fragment = renderMarkdown(text);
    frameCode(fragment);
    place.current!.replaceChildren(fragment);
    if (!isWhole) return;
    void colourCode(place.current!);
    void drawFormulas(place.current!);
  }, [text, isWhole]);
  return <div ref={place} class="block" />;
}

/** @param props.isWhole nothing more comes: its last block is coloured and its formulas are drawn too */
export function MarkdownView({ text, isWhole }: { readonly text: string; readonly isWhole: boolean }) {
  const before = useRef<readonly string[]>([]);
  // A text that is whole is read as a whole: a formula of many lines is one only once its end is there.
  const blocks = useMemo(() => (before.current = blocksOf(text, isWhole ? [] : before.current)), [text, isWhole]);
  return (
    <div class="markdown">
      {blocks.map((block, index) => (
        <Block key={index} text={block} isWhole={isWhole || index < blocks.length - 1} />
      ))}
    </div>
  );
}
