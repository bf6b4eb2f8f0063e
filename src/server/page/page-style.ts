/** The style of the page at `/`: two sets of colours, one column, nothing that is fetched. */
export const PAGE_STYLE = String.raw`
:root {
  color-scheme: light dark;
  --back: #fbfaf8; --panel: #ffffff; --line: #dedad3; --text: #1f1e1c; --soft: #6b675f; --accent: #9a4a12; --on-accent: #ffffff;
  --mine: #f1ece4; --code: #f4f1ec; --error: #a3201a;
}
@media (prefers-color-scheme: dark) {
  :root:not([data-theme='light']) {
    --back: #191817; --panel: #211f1d; --line: #3a3733; --text: #ece8e1; --soft: #a29c92; --accent: #e8955a; --on-accent: #1f1308;
    --mine: #2b2824; --code: #121110; --error: #ff8a80;
  }
}
:root[data-theme='light'] { color-scheme: light; }
:root[data-theme='dark'] {
  color-scheme: dark;
  --back: #191817; --panel: #211f1d; --line: #3a3733; --text: #ece8e1; --soft: #a29c92; --accent: #e8955a; --on-accent: #1f1308;
  --mine: #2b2824; --code: #121110; --error: #ff8a80;
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body {
  display: flex; flex-direction: column; height: 100dvh; background: var(--back); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; -webkit-text-size-adjust: 100%;
}
[hidden] { display: none !important; }
button, select, input, textarea { font: inherit; color: inherit; }
button, select, input[type='text'], input[type='password'], input[type='number'] {
  min-height: 36px; padding: 4px 12px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
}
button { cursor: pointer; }
button:hover { border-color: var(--soft); }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
header { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; padding: 10px 16px; border-bottom: 1px solid var(--line); }
h1 { font-size: 17px; font-weight: 650; margin: 0 4px 0 0; letter-spacing: .01em; }
header select { flex: 0 1 260px; min-width: 0; text-overflow: ellipsis; }
.space { flex: 1; }
#keyNote { flex-basis: 100%; }
#keyNote:empty { display: none; }
#settings { padding: 12px 16px; border-bottom: 1px solid var(--line); background: var(--panel); }
.fields { display: flex; flex-wrap: wrap; gap: 12px; max-width: 760px; margin: 0 auto; }
.fields label { display: flex; flex-direction: column; gap: 4px; flex: 1 1 130px; font-size: 14px; color: var(--soft); }
.fields label.wide { flex-basis: 100%; }
.fields input, .fields textarea { width: 100%; color: var(--text); background: var(--back); font-size: 16px; }
textarea { padding: 8px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); resize: none; }
#settings textarea { resize: vertical; min-height: 64px; }
main { flex: 1; min-height: 0; overflow-y: auto; padding: 20px 16px 8px; overscroll-behavior: contain; }
#log { max-width: 760px; margin: 0 auto; display: flex; flex-direction: column; gap: 18px; }
#empty { max-width: 760px; margin: 12vh auto 0; text-align: center; color: var(--soft); }
#empty p { margin: 6px 0; }
.turn { min-width: 0; overflow-wrap: anywhere; }
.turn.user { align-self: flex-end; max-width: 85%; background: var(--mine); border-radius: 14px; padding: 8px 14px; }
.text { white-space: pre-wrap; }
.text code { background: var(--code); border-radius: 4px; padding: 1px 5px; font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre {
  white-space: pre; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: 12px;
  margin: 10px 0; font: 14px/1.5 ui-monospace, Menlo, Consolas, monospace;
}
.waiting:empty::after, .waiting > :last-child::after {
  content: ''; display: inline-block; width: 8px; height: 1em; margin-left: 2px; background: var(--accent); vertical-align: -2px;
}
@media (prefers-reduced-motion: no-preference) {
  .waiting:empty::after, .waiting > :last-child::after { animation: blink 1s steps(2) infinite; }
}
@keyframes blink { 50% { opacity: 0; } }
details.thought { color: var(--soft); font-size: 15px; border-left: 3px solid var(--line); padding-left: 12px; margin-bottom: 8px; }
details.thought summary { cursor: pointer; }
.figures { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: center; margin-top: 6px; font-size: 13px; color: var(--soft); }
.figures span { font-variant-numeric: tabular-nums; }
.figures button { min-height: 26px; padding: 0 8px; font-size: 13px; color: var(--soft); background: none; border-color: transparent; }
.figures button:hover { border-color: var(--line); }
.error { color: var(--error); white-space: pre-wrap; }
footer { padding: 8px 16px calc(12px + env(safe-area-inset-bottom)); }
form { max-width: 760px; margin: 0 auto; }
.ask { display: flex; gap: 8px; align-items: flex-end; }
.ask textarea { flex: 1; min-width: 0; min-height: 44px; max-height: 40vh; border-radius: 12px; font-size: 16px; line-height: 1.5; }
.ask button { min-height: 44px; padding: 4px 18px; border-radius: 12px; }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
.hint { margin: 6px 2px 0; font-size: 12px; color: var(--soft); text-align: center; }
@media (max-width: 560px) {
  header { padding: 8px 12px; gap: 6px; }
  header button { padding: 4px 9px; font-size: 15px; }
  header select { order: 5; flex: 1 0 100%; }
  main { padding: 14px 12px 6px; }
  footer { padding: 6px 12px calc(8px + env(safe-area-inset-bottom)); }
  .hint { display: none; }
  .turn.user { max-width: 92%; }
}
`;
