import { useMemo, useState } from 'preact/hooks';
import { type SharedText, TextContext } from '../../shared/context.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { Frame, SkipLink } from '../../shared/parts/frame.tsx';
import type { IconName } from '../../shared/parts/icon.tsx';
import { Notice, RefusalNotice } from '../../shared/parts/notice.tsx';
import { Preferences, usePreferences } from '../../shared/parts/preferences.tsx';
import { useMessage } from '../../shared/useMessage.ts';
import { refusalOf, useResource } from '../../shared/useResource.ts';
import { useRoute } from '../../shared/useRoute.ts';
import { createApi } from './api.ts';
import { ShellContext, useText } from './context.ts';
import { formatRoute, parseRoute, type View, viewOf, viewsOf } from './logic/route.ts';
import { createText } from './text/text.ts';
import { Account } from './views/account.tsx';
import { Customers } from './views/customers.tsx';
import { History } from './views/history.tsx';
import { Invitation } from './views/invitation.tsx';
import { Keys } from './views/keys.tsx';
import { Licences } from './views/licences.tsx';
import { People } from './views/people.tsx';
import { RequestFile } from './views/requestFile.tsx';
import { SignIn } from './views/signIn.tsx';

export function App() {
  const preferences = usePreferences();
  const text = useMemo(() => createText(preferences.language), [preferences.language]);
  return (
    <TextContext.Provider value={text as unknown as SharedText}>
      <SkipLink />
      <Cabinet preferences={<Preferences {...preferences} />} />
    </TextContext.Provider>
  );
}

/** Asks who is signed in, and shows their views, or the way in. */
function Cabinet({ preferences }: { preferences: preact.ComponentChildren }) {
  const { t } = useText();
  const [message, say] = useMessage();
  /** Why somebody who was signed in is not any more. */
  const [ended, setEnded] = useState(false);
  const [outRefusal, setOutRefusal] = useState<Refusal>();
  const api = useMemo(
    () =>
      createApi(() => {
        setEnded(true);
        void session.reload();
      }),
    [],
  );
  const session = useResource('session', api.session, undefined);
  const { data, refusal, reload } = session;
  const person = data?.person;
  const route = useRoute(parseRoute, (r) => {
    const view = r.view === 'invitation' ? t('invitation.title') : person && t(`nav.${viewOf(r, person.role)}`);
    return `${view ?? t('signIn.title')} – ${t('app.name')}`;
  });
  const shell = useMemo(() => person && { api, person, reload, say }, [api, person, reload, say]);
  const isInvited = route.view === 'invitation';
  const view = person && !isInvited ? viewOf(route, person.role) : undefined;

  const entered = async () => {
    setEnded(false);
    if (route.view === 'invitation' || route.view === 'sign-on') location.hash = '';
    await reload();
  };
  const signOut = async () => {
    setOutRefusal(undefined);
    try {
      await api.signOut();
    } catch (error) {
      const why = refusalOf(error);
      if (why.status !== 401) return setOutRefusal(why);
    }
    location.hash = '';
    setEnded(false);
    await reload();
  };

  return (
    <Frame
      name={t('app.name')}
      home="#/"
      menu={
        person &&
        viewsOf[person.role].map((v) => ({
          href: formatRoute(v),
          icon: icons[v],
          text: t(`nav.${v}`),
          current: view === v,
        }))
      }
      end={
        <>
          {preferences}
          {person && (
            <button type="button" onClick={signOut}>
              {t('signIn.out')}
            </button>
          )}
        </>
      }
      message={message}
    >
      {outRefusal && <RefusalNotice refusal={outRefusal} onRetry={signOut} />}
      {!data && refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!data && !refusal && <p class="empty">{t('app.loading')}</p>}
      {data && isInvited && <Invitation token={route.rest} api={api} session={data} onEntered={entered} />}
      {data && !person && !isInvited && (
        <>
          {ended && (
            <Notice level="warning">
              <p>{t('signIn.ended')}</p>
            </Notice>
          )}
          <SignIn
            api={api}
            session={data}
            signOnReason={route.view === 'sign-on' ? route.rest : undefined}
            onEntered={entered}
          />
        </>
      )}
      {shell && view && (
        <ShellContext.Provider value={shell}>
          {view === 'keys' && <Keys />}
          {view === 'request' && <RequestFile />}
          {view === 'customers' && <Customers />}
          {view === 'licences' && <Licences query={route.query} />}
          {view === 'people' && <People />}
          {view === 'history' && <History query={route.query} />}
          {view === 'account' && <Account />}
        </ShellContext.Provider>
      )}
    </Frame>
  );
}

const icons: Readonly<Record<View, IconName>> = {
  keys: 'keys',
  request: 'request',
  history: 'history',
  account: 'about',
  customers: 'customers',
  licences: 'keys',
  people: 'seats',
};
