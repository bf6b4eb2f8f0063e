/** The page at `/`: one file, which asks nobody but this server, and which runs nothing but its own script (Content-Security-Policy). */
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';

const BODY = `
<header>
  <h1>Ingot</h1>
  <select id="model" aria-label="Model"></select>
  <span class="space"></span>
  <button type="button" id="settingsButton" aria-expanded="false" aria-controls="settings">Settings</button>
  <button type="button" id="theme"></button>
  <button type="button" id="new">New chat</button>
</header>
<section id="settings" aria-label="Settings" hidden>
  <div class="fields">
    <label class="wide">System message<textarea id="system" rows="2"></textarea></label>
    <label>Temperature<input type="number" id="temperature" min="0" max="2" step="0.1" placeholder="the model's own"></label>
    <label>Most tokens<input type="number" id="maxTokens" min="1" step="1" placeholder="what there is room for"></label>
    <label>API key<input type="password" id="key" autocomplete="off" spellcheck="false" aria-describedby="keyNote"></label>
    <div id="keyNote" class="error" role="status"></div>
  </div>
</section>
<main id="view" tabindex="-1"><div id="empty"></div><div id="log" role="log" aria-label="Chat"></div></main>
<footer>
  <form id="form">
    <div class="ask">
      <textarea id="input" rows="1" aria-label="Message" placeholder="Message" autocomplete="off"></textarea>
      <button class="primary" id="send">Send</button>
      <button type="button" id="stop" hidden>Stop</button>
    </div>
    <p class="hint">Enter sends, Shift and Enter begin a line, Escape stops.</p>
  </form>
</footer>
`;

export const CHAT_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ingot</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>${BODY}<script>${PAGE_SCRIPT}</script></body>
</html>
`;

/** What a policy names a text in the page by. */
async function sourceOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return `'sha256-${btoa(String.fromCharCode(...digest))}'`;
}

export async function chatPage(): Promise<Response> {
  const policy = [
    "default-src 'none'", `script-src ${await sourceOf(PAGE_SCRIPT)}`, `style-src ${await sourceOf(PAGE_STYLE)}`, "connect-src 'self'",
    'img-src data:', "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
  ];
  return new Response(CHAT_PAGE, {
    headers: {
      'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy.join('; '), 'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    },
  });
}
