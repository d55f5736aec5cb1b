import { createTheme, localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import { RequestFailed } from './api/client.ts';
import { createConsoleRouter } from './router.tsx';

const theme = createTheme({ cursorType: 'pointer', defaultRadius: 'md', respectReducedMotion: true });
const colorSchemeManager = localStorageColorSchemeManager({ key: 'weft-color-scheme' });
const RETRIES = 2;

const createClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 1_000,
        refetchOnWindowFocus: true,
        // A refusal stays a refusal; only silence is worth another try.
        retry: (failures, error) => failures < RETRIES && !(error instanceof RequestFailed && error.status >= 400),
      },
    },
  });

export function App() {
  const [client] = useState(createClient);
  const [router] = useState(createConsoleRouter);
  return (
    // Variables and classes come from our style sheets: nothing may put a <style> element into the page.
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      colorSchemeManager={colorSchemeManager}
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
