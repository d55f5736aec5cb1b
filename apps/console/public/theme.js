// Sets the colour scheme before the first paint. A file of its own, since the page may hold no inline script.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('weft-color-scheme') ?? 'auto';
  } catch {
    // Storage is off: follow the system.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
