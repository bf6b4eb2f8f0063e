// Before anything is drawn: the colours that were chosen (state/settings.ts). Under this name browsers keep it for a year: what changes in
// it goes by another one.
try {
  const theme = JSON.parse(localStorage.getItem('ingot theme'));
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing for pages has no choice to show.
}
