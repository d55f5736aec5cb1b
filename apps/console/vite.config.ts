import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    // Everything is a file of its own: the page is served under a policy without inline scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  // `pnpm --filter @weft/console dev` beside a running mesh.
  server: { port: 5173, proxy: { '/api': { target: 'http://127.0.0.1:20001', changeOrigin: true } } },
});
