import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { createApi } from './api.ts';
import { type Shell, ShellContext, TextContext, useText } from './context.ts';
import { refusalText } from './logic/problemText.ts';
import { formatRoute, isToken, parseRoute, type Route, views } from './logic/route.ts';
import { Icon } from './parts/icon.tsx';
import { RefusalNotice } from './parts/notice.tsx';
import { Preferences, usePreferences } from './parts/preferences.tsx';
import { arrivedToken, keepToken } from './session.ts';
import { createText } from './text/text.ts';
import { useResource } from './useResource.ts';
import { About } from './views/about.tsx';
import { Denials } from './views/denials.tsx';
import { Keys } from './views/keys.tsx';
import { Overview } from './views/overview.tsx';
import { Seats } from './views/seats.tsx';
import { SignIn, type SignInTrouble } from './views/signIn.tsx';

const statusEveryMs = 5_000;
const messageMs = 8_000;

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
    <TextContext.Provider value={text}>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        {text.t('app.skip')}
      </button>
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
  const [message, setMessage] = useState('');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const say = useCallback((told: string) => {
    clearTimeout(timer.current);
    setMessage(told);
    timer.current = setTimeout(() => setMessage(''), messageMs);
  }, []);
  const shell = useMemo<Shell>(() => ({ api, say }), [api, say]);
  const route = useRoute();

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
      <header>
        <a class="brand" href={formatRoute('overview')}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M7 7h7.500v7.500H7zM17.500 7H25v7.500h-7.500zM7 17.500h7.500V25H7z" fill="currentColor" />
            <path d="M17.500 17.500H25V25h-7.500z" fill="currentColor" opacity=".45" />
          </svg>
          {t('app.name')}
        </a>
        {data && <Menu route={route} />}
        <div class="header-end">
          {preferences}
          {data && token !== undefined && (
            <button type="button" onClick={() => onSignOut(undefined)}>
              {t('signIn.out')}
            </button>
          )}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
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
        {data && route.view === 'denials' && <Denials status={data} />}
        {data && route.view === 'keys' && <Keys onChanged={status.reload} />}
        {data && route.view === 'about' && <About status={data} />}
      </main>
      <div class="message" role="status">
        {message && <p>{message}</p>}
      </div>
    </ShellContext.Provider>
  );
}

function Menu({ route }: { route: Route }) {
  const { t } = useText();
  return (
    <nav aria-label={t('app.menu')}>
      {views.map((view) => (
        <a key={view} href={formatRoute(view)} {...(route.view === view ? { 'aria-current': 'page' as const } : {})}>
          <Icon name={view} />
          {t(`nav.${view}`)}
        </a>
      ))}
    </nav>
  );
}

/** The view that the address names. When it changes, the view's heading gets the focus and the title tells it. */
function useRoute(): Route {
  const { t } = useText();
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  const shown = useRef(route.view);
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  useEffect(() => {
    document.title = `${t(`nav.${route.view}`)} – ${t('app.name')}`;
    if (shown.current === route.view) return;
    shown.current = route.view;
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus();
  }, [route.view, t]);
  return route;
}
