/** Which of the files that lie together is a GGUF model's tower and projector (llama.cpp's mmproj), by their names. */

const PROJECTOR = /(^|[-._])mmproj/i;

/** The one that is called as the model is (`mmproj-MODEL.gguf`), else one of f16, else the first by name. */
export function projectorBeside(names: readonly string[], fileName: string | undefined): string | undefined {
  const beside = projectorsBeside(names, fileName);
  return beside.find((name) => baseOf(name).toLowerCase() === `mmproj-${baseOf(fileName!)}`.toLowerCase()) ?? beside[0];
}

/**
 * All of a model's folder, of f16 before others.
 * @param names paths; what lies in another folder than the model is not meant
 * @param fileName of the model: undefined, or no GGUF model's, has none
 */
function projectorsBeside(names: readonly string[], fileName: string | undefined): readonly string[] {
  if (fileName === undefined || !isGguf(fileName) || PROJECTOR.test(baseOf(fileName))) return [];
  const folder = folderOf(fileName);
  const beside = names.filter((name) => isGguf(name) && folderOf(name) === folder && PROJECTOR.test(baseOf(name))).toSorted();
  const isF16 = (name: string) => /(?<!b)f16/i.test(baseOf(name));
  return [...beside.filter(isF16), ...beside.filter((name) => !isF16(name))];
}

function isGguf(name: string): boolean {
  return /\.gguf$/i.test(name);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
