/** What the page at `/` does, in plain JavaScript for any browser: it asks this server alone, and sets text, never markup. */
export const PAGE_SCRIPT = String.raw`
'use strict';
const $ = (id) => document.getElementById(id);
let messages = [];
let running;

function stored(storage, name, value) {
  // A browser may keep nothing for pages.
  try {
    if (value === undefined) return storage.getItem('ingot ' + name) || '';
    storage.setItem('ingot ' + name, value);
  } catch { return ''; }
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Fenced code apart, and code in lines; all else stays as it was written. */
function showText(into, text) {
  const parts = text.split(/^\x60{3}[^\n]*\n?/m);
  const nodes = parts.map((part, index) => {
    if (index % 2 === 1) return element('pre', '', part.replace(/\n$/, ''));
    const block = element('div', 'text');
    const trimmed = (index > 0 ? part.replace(/^\n+/, '') : part).replace(/\n+$/, '');
    trimmed.split(/\x60([^\x60\n]+)\x60/).forEach((piece, at) => block.append(at % 2 === 1 ? element('code', '', piece) : piece));
    return block;
  });
  into.replaceChildren(...nodes.filter((node) => node.textContent !== ''));
}

function isAtEnd() {
  const view = $('view');
  return view.scrollHeight - view.scrollTop - view.clientHeight < 80;
}

function toEnd() { $('view').scrollTop = $('view').scrollHeight; }

function headers() {
  const key = $('key').value.trim();
  return key === '' ? {} : { authorization: 'Bearer ' + key };
}

function needKey(isNeeded) {
  if (isNeeded) $('settings').hidden = false;
  $('settingsButton').setAttribute('aria-expanded', String(!$('settings').hidden));
  $('keyNote').textContent = isNeeded ? 'This server wants an API key.' : '';
  if (isNeeded) $('key').focus();
}

async function failureOf(response) {
  let text = 'The server answered ' + response.status + '.';
  try { text = (await response.json()).error.message || text; } catch { /* no JSON: its status says enough */ }
  return new Error(text);
}

function notice(text) {
  $('empty').replaceChildren(...text.split('\n').map((line) => element('p', '', line)));
}

async function loadModels() {
  try {
    const response = await fetch('v1/models', { headers: headers() });
    needKey(response.status === 401);
    if (!response.ok) throw await failureOf(response);
    const all = (await response.json()).data.filter((model) => model.kind === 'text' && model.embedding_dimensions === undefined);
    const chosen = $('model').value || stored(localStorage, 'model');
    $('model').replaceChildren(...all.map(({ id }) => new Option(id, id, false, id === chosen)));
    notice(all.length === 0 ? 'No model here answers chats.' : 'Ask something.\nA chat is kept nowhere: it ends with this page.');
  } catch (error) {
    notice(error.message);
  }
}

/** Calls back for every event of a stream. */
async function readEvents(body, onEvent) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = events.pop();
    for (const event of events)
      if (event.startsWith('data: ') && event !== 'data: [DONE]') onEvent(JSON.parse(event.slice(6)));
  }
}

function requestBody() {
  const system = $('system').value.trim();
  const number = (id) => ($(id).value === '' ? undefined : Number($(id).value));
  return JSON.stringify({
    model: $('model').value, messages: [...(system === '' ? [] : [{ role: 'system', content: system }]), ...messages],
    temperature: number('temperature'), max_tokens: number('maxTokens'), stream: true, stream_options: { include_usage: true },
  });
}

/** An answer on the page: what it says so far, drawn at most once a frame. */
function answerView() {
  const turn = element('article', 'turn assistant');
  turn.setAttribute('aria-label', 'Answer');
  const thought = element('details', 'thought');
  const thoughtText = element('div', 'text');
  thought.append(element('summary', '', 'Thought'), thoughtText);
  thought.hidden = true;
  const body = element('div', 'waiting');
  const foot = element('div', 'figures');
  turn.append(thought, body, foot);
  $('log').append(turn);
  const said = { content: '', reasoning: '' };
  let isDue = false;
  const draw = () => {
    isDue = false;
    const follow = isAtEnd();
    thought.hidden = said.reasoning === '';
    thoughtText.textContent = said.reasoning;
    showText(body, said.content);
    if (follow) toEnd();
  };
  return {
    turn, body, foot, said, draw,
    add(delta) {
      if (delta.reasoning_content && said.reasoning === '') thought.open = true;
      if (delta.content && said.content === '') thought.open = false;
      said.content += delta.content || '';
      said.reasoning += delta.reasoning_content || '';
      if (!isDue) requestAnimationFrame(draw);
      isDue = true;
    },
  };
}

function figuresOf(times, finish) {
  const { asked, first, last, chunks, usage } = times;
  if (first === undefined) return [];
  const tokens = usage ? usage.completion_tokens : chunks;
  const about = usage ? '' : 'about ';
  const speed = (tokens - 1) / ((last - first) / 1000);
  const cached = usage && usage.prompt_tokens_details ? usage.prompt_tokens_details.cached_tokens : 0;
  return [
    'first token ' + (first - asked < 10000 ? Math.round(first - asked) + ' ms' : ((first - asked) / 1000).toFixed(1) + ' s'),
    tokens > 1 && last > first ? about + speed.toFixed(speed < 100 ? 1 : 0) + ' tokens/s' : '',
    about + tokens + (tokens === 1 ? ' token' : ' tokens'),
    usage ? 'prompt ' + usage.prompt_tokens + (cached > 0 ? ' (' + cached + ' cached)' : '') : '',
    finish === 'length' ? 'cut at the most tokens' : finish === 'stopped' ? 'stopped' : '',
  ].filter((text) => text !== '');
}

function button(text, onClick) {
  const made = element('button', '', text);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

function copyButton(text) {
  const made = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      made.textContent = 'Copied';
    } catch { made.textContent = 'Not allowed'; }
    setTimeout(() => { made.textContent = 'Copy'; }, 1500);
  });
  return made;
}

function setRunning(controller) {
  running = controller;
  $('send').hidden = controller !== undefined;
  $('stop').hidden = controller === undefined;
  $('log').setAttribute('aria-busy', String(controller !== undefined));
}

async function stream(view, times, signal) {
  const response = await fetch('v1/chat/completions', {
    method: 'POST', headers: { ...headers(), 'content-type': 'application/json' }, body: requestBody(), signal,
  });
  if (response.status === 401) needKey(true);
  if (!response.ok) throw await failureOf(response);
  let finish;
  await readEvents(response.body, (event) => {
    if (event.error) throw new Error(event.error.message);
    times.usage = event.usage || times.usage;
    const choice = event.choices[0];
    if (!choice) return;
    if (choice.delta.content || choice.delta.reasoning_content) {
      times.last = performance.now();
      times.first = times.first === undefined ? times.last : times.first;
      times.chunks++;
    }
    view.add(choice.delta);
    finish = choice.finish_reason || finish;
  });
  return finish;
}

function endAnswer(view, figures, place) {
  view.draw();
  view.body.classList.remove('waiting');
  for (const old of document.querySelectorAll('.again')) old.remove();
  const again = button('Try again', () => {
    if (running !== undefined || messages.length !== place) return;
    messages.pop();
    view.turn.remove();
    void answer();
  });
  again.classList.add('again');
  const copy = view.said.content === '' ? [] : [copyButton(view.said.content)];
  view.foot.replaceChildren(...figures.map((text) => element('span', '', text)), ...copy, again);
  toEnd();
  $('input').focus();
}

async function answer() {
  const chat = messages;
  const view = answerView();
  toEnd();
  const controller = new AbortController();
  setRunning(controller);
  const times = { asked: performance.now(), chunks: 0 };
  let finish;
  try {
    finish = await stream(view, times, controller.signal);
  } catch (error) {
    finish = controller.signal.aborted ? 'stopped' : 'failed';
    if (finish === 'failed') view.turn.insertBefore(element('div', 'error', error.message), view.foot);
  }
  setRunning(undefined);
  chat.push({ role: 'assistant', content: view.said.content });
  endAnswer(view, figuresOf(times, finish), chat.length);
}

function grow() {
  const { style } = $('input');
  style.height = 'auto';
  style.height = $('input').scrollHeight + 2 + 'px';
}

function send() {
  const text = $('input').value.trim();
  if (text === '' || running !== undefined || $('model').value === '') return;
  $('empty').hidden = true;
  // An answer that failed, or said nothing, is no turn for the model.
  if (messages.length > 0 && messages[messages.length - 1].content === '') messages.splice(-2);
  messages.push({ role: 'user', content: text });
  $('log').append(element('article', 'turn user text', text));
  $('input').value = '';
  grow();
  void answer();
}

function newChat() {
  if (running !== undefined) running.abort();
  messages = [];
  $('log').replaceChildren();
  $('empty').hidden = false;
  $('input').focus();
}

const THEMES = ['', 'dark', 'light'];
function setTheme(theme) {
  if (theme === '') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.dataset.theme = theme;
  $('theme').textContent = theme === '' ? '\u25d0 Auto' : theme === 'dark' ? '\u25cf Dark' : '\u25cb Light';
  $('theme').setAttribute('aria-label', 'Colours: ' + (theme === '' ? 'as the system has them' : theme));
  stored(localStorage, 'theme', theme);
}

$('form').addEventListener('submit', (event) => { event.preventDefault(); send(); });
$('input').addEventListener('input', grow);
$('input').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && running !== undefined) running.abort(); });
$('stop').addEventListener('click', () => { if (running !== undefined) running.abort(); });
$('new').addEventListener('click', newChat);
$('settingsButton').addEventListener('click', () => {
  $('settings').hidden = !$('settings').hidden;
  $('settingsButton').setAttribute('aria-expanded', String(!$('settings').hidden));
});
$('theme').addEventListener('click', () => setTheme(THEMES[(THEMES.indexOf(stored(localStorage, 'theme')) + 1) % 3]));
$('model').addEventListener('change', () => stored(localStorage, 'model', $('model').value));
$('key').addEventListener('change', () => { stored(sessionStorage, 'key', $('key').value.trim()); void loadModels(); });
setTheme(stored(localStorage, 'theme'));
$('key').value = stored(sessionStorage, 'key');
$('input').focus();
void loadModels();
`;
