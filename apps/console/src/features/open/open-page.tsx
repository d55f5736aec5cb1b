import type { SessionView } from '@weft/contracts/console-views';
import { Loader } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { KeyRound } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { send } from '../../api/client.ts';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Empty, Page } from '../../ui/page.tsx';

/** A page of ours; anything else could lead elsewhere. */
const PAGE = /^\/(?:[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*\/?)?$/;

/** Where the link of `weft dashboard` leads: its code, after the "#", buys a session and leaves the address bar. */
export default function OpenPage() {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [failed, setFailed] = useState<string>();
  const begun = useRef(false);

  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    const code = window.location.hash.slice(1);
    const page = new URLSearchParams(window.location.search).get('to') ?? '';
    window.history.replaceState(window.history.state, '', '/open');
    if (code === '') {
      setFailed(text.open.none);
      return;
    }
    send<SessionView>('POST', '/session', { code }).then(
      async (session) => {
        // What was asked before there was a session may be answered behind it.
        await client.cancelQueries({ queryKey: queries.session().queryKey });
        client.setQueryData(queries.session().queryKey, session);
        await navigate({ href: PAGE.test(page) ? page : '/overview', replace: true });
      },
      (error: unknown) => setFailed(error instanceof Error ? error.message : text.open.spent),
    );
  }, [client, navigate]);

  return (
    <Page title={text.open.title} command={commands.dashboard()}>
      {failed === undefined ? (
        <Empty title={text.open.working} icon={<Loader size={28} />} />
      ) : (
        <Empty
          title={failed}
          how={text.open.again}
          command={commands.dashboard()}
          icon={<KeyRound size={32} strokeWidth={1.5} aria-hidden />}
        />
      )}
    </Page>
  );
}
