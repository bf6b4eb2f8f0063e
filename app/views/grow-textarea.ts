/** Makes a text area as high as its text, as far as its style lets it. */
export function growTextarea(area: HTMLTextAreaElement): void {
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}
