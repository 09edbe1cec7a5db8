import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ServerStatus } from '../../licence/serverStatus.ts';
import { type SharedText, TextContext } from '../shared/context.ts';
import { refusalText } from '../shared/logic/refusal.ts';
import { Frame, SkipLink } from '../shared/parts/frame.tsx';
import { RefusalNotice } from '../shared/parts/notice.tsx';
import { Preferences, usePreferences } from '../shared/parts/preferences.tsx';
import { useMessage } from '../shared/useMessage.ts';
import { useResource } from '../shared/useResource.ts';
import { useRoute } from '../shared/useRoute.ts';
import { createApi } from './api.ts';
import { type Shell, ShellContext, useText } from './context.ts';
import { formatRoute, isToken, parseRoute, views } from './logic/route.ts';
import { arrivedToken, keepToken } from './session.ts';
import { createText } from './text/text.ts';
import { About } from './views/about.tsx';
import { Denials } from './views/denials.tsx';
import { Keys } from './views/keys.tsx';
import { Named } from './views/named.tsx';
import { Overview } from './views/overview.tsx';
import { Seats } from './views/seats.tsx';
import { SignIn, type SignInTrouble } from './views/signIn.tsx';
import { WhatIf } from './views/whatIf.tsx';

const statusEveryMs = 5_000;

export function App({ firstToken }: { firstToken: string | undefined }) {
  const preferences = usePreferences();
  const text = useMemo(() => createText(preferences.language), [preferences.language]);
  const [token, setToken] = useState(firstToken);
  const [trouble, setTrouble] = useState<SignInTrouble>();

  useEffect(() => {
    const arrive = () => {
      const arrived = arrivedToken();
      if (arrived === undefined) return;
      setTrouble(undefined);
      setToken(arrived);
    };
    arrive(); // since the first render
    addEventListener('hashchange', arrive);
    return () => removeEventListener('hashchange', arrive);
  }, []);

  const signIn = (given: string) => {
    if (!isToken(given)) return setTrouble('signIn.wrong');
    keepToken(given);
    setTrouble(undefined);
    setToken(given);
  };
  const signOut = (why: SignInTrouble | undefined) => {
    keepToken(undefined);
    setTrouble(why);
    setToken(undefined);
  };
  return (
    <TextContext.Provider value={text as unknown as SharedText}>
      <SkipLink />
      <Session
        key={token ?? ''}
        token={token}
        trouble={trouble}
        preferences={<Preferences {...preferences} />}
        onToken={signIn}
        onSignOut={signOut}
      />
    </TextContext.Provider>
  );
}

/** Whether any licence is for named users. */
const hasNamed = ({ products }: ServerStatus): boolean => products.some((p) => p.seatsAssigned !== undefined);

interface SessionProps {
  readonly token: string | undefined;
  readonly trouble: SignInTrouble | undefined;
  readonly preferences: preact.ComponentChildren;
  onToken(token: string): void;
  onSignOut(why: SignInTrouble | undefined): void;
}

/** One token's view of the server. Without a token it asks once all the same: access may be open. */
function Session({ token, trouble, preferences, onToken, onSignOut }: SessionProps) {
  const text = useText();
  const { t, clock } = text;
  const api = useMemo(() => createApi(token), [token]);
  const [refusedToken, setRefusedToken] = useState(false);
  // A refused token is not tried again: the server counts failures.
  const status = useResource('status', api.status, refusedToken ? undefined : statusEveryMs);
  const [message, say] = useMessage();
  const shell = useMemo<Shell>(() => ({ api, say }), [api, say]);
  const route = useRoute(parseRoute, (r) => `${t(`nav.${r.view}`)} – ${t('app.name')}`);

  const refused = status.refusal;
  const unknown = refused?.status === 401 || refused?.status === 403;
  const wasIn = status.data !== undefined;
  useEffect(() => {
    setRefusedToken(unknown);
    if (!unknown || token === undefined) return;
    onSignOut(refused?.status === 403 ? 'signIn.notAdmin' : wasIn ? 'signIn.ended' : 'signIn.wrong');
  }, [unknown]);

  const { data } = status;
  return (
    <ShellContext.Provider value={shell}>
      <Frame
        name={t('app.name')}
        home={formatRoute('overview')}
        menu={
          data &&
          views
            .filter((view) => view !== 'named' || hasNamed(data))
            .map((view) => ({
              href: formatRoute(view),
              icon: view,
              text: t(`nav.${view}`),
              current: route.view === view,
            }))
        }
        end={
          <>
            {preferences}
            {data && token !== undefined && (
              <button type="button" onClick={() => onSignOut(undefined)}>
                {t('signIn.out')}
              </button>
            )}
          </>
        }
        message={message}
      >
        {!data && refused && unknown && <SignIn trouble={trouble} onToken={onToken} />}
        {!data && refused && !unknown && <RefusalNotice refusal={refused} onRetry={status.reload} />}
        {!data && !refused && <p class="empty">{t('app.loading')}</p>}
        {data && refused && !unknown && (
          <p class="notice notice-warning" role="status">
            {refused.status === 0
              ? t('app.lost', { at: clock(status.at) })
              : `${refusalText(refused, text)} ${t('app.asOf', { at: clock(status.at) })}`}
          </p>
        )}
        {data && route.view === 'overview' && <Overview status={data} at={status.at} />}
        {data && route.view === 'seats' && <Seats status={data} query={route.query} onChanged={status.reload} />}
        {data && route.view === 'named' && <Named />}
        {data && route.view === 'denials' && <Denials status={data} query={route.query} />}
        {data && route.view === 'whatIf' && <WhatIf status={data} query={route.query} />}
        {data && route.view === 'keys' && <Keys onChanged={status.reload} />}
        {data && route.view === 'about' && <About status={data} />}
      </Frame>
    </ShellContext.Provider>
  );
}
