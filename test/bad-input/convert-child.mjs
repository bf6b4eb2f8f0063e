// `node convert-child.mjs FOLDER OUT`: converts where the disk ends early, then loads a model, and prints what came of both.
const { convertFile } = await import(new URL('../../dist/node/convert.js', import.meta.url));
const { collect, loadModel } = await import(new URL('../../dist/node/index.js', import.meta.url));
const [folder, out] = process.argv.slice(2);
const { name, message } = await convertFile(folder, out, { type: 'f16' }).then(
  () => ({ name: 'none', message: 'it went through' }),
  (error) => error,
);
const model = await loadModel(folder, { device: 'cpu', threads: 1 });
const { tokens } = await collect(model.generate({ ids: [1, 2, 3], temperature: 0, ignoreEos: true, maxTokens: 3 }));
await model.dispose();
process.stdout.write(JSON.stringify({ name, message, goesOn: tokens.length === 3 }));
