// Electron's main process: the model runs here, a window asks by `ipcRenderer.invoke('ask', messages)` and listens to 'piece'.
import { app, BrowserWindow, ipcMain } from 'electron';
import { bundledModelPath, loadModel } from 'ingot';
import type { ChatMessage, Model } from 'ingot';

let model: Model | undefined;

ipcMain.handle('ask', async ({ sender }, messages: ChatMessage[]): Promise<string> => {
  model ??= await loadModel(bundledModelPath());
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  sender.once('destroyed', leave);
  let answer = '';
  try {
    for await (const { text } of model.generate({ messages, reasoning: false, maxTokens: 256, signal: gone.signal })) {
      answer += text;
      sender.send('piece', text);
    }
  } finally {
    sender.off('destroyed', leave);
  }
  return answer;
});

app.on('before-quit', (event) => {
  const loaded = model;
  if (loaded === undefined) return;
  // Quits again when threads, memory and the GPU are given back.
  event.preventDefault();
  model = undefined;
  void loaded.dispose().then(() => app.quit());
});

await app.whenReady();
await new BrowserWindow({ webPreferences: { preload: new URL('preload.js', import.meta.url).pathname } }).loadFile('index.html');
