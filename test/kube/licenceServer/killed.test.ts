import { describe, expect, inject, test } from 'vitest';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { type FaultProxy, type Proxied, startFaultProxy } from '../../support/faultProxy.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, keyIdOf, type RunningOperator, Stage, specWithKey } from './operator.ts';

/**
 * An operator is killed at a call to the API server, reads and watches included: right before it is applied, or after it
 * was applied and before the answer came. Nothing of it reaches the API server from then on. A new operator goes on.
 *
 * Each kind of call (verb, resource, and the rotation's phase for what is written) is cut at least once; `KILL_ALL=1` cuts
 * every single one.
 */
const everyCall = process.env.KILL_ALL === '1';

const activeKey = (server: LicenceServer) => server.status?.keys?.find((key) => key.name === 'erp')?.keyId;

/** The kind of a call. What is only read is the same in every phase; writes are not. */
function kindOf({ method, url, isWatch, isWrite }: Proxied, phase: string): string {
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const within = parts[0] === 'api' ? parts.slice(2) : parts.slice(3);
  const [resource, name, subresource] = within[0] === 'namespaces' ? within.slice(2) : within;
  if (isWatch) return 'WATCH';
  if (!isWrite && name === undefined) return resource === 'replicasets' ? 'LIST replicasets' : 'LIST';
  const what = `${method} ${[resource, subresource].filter((part) => part !== undefined).join('/')}`;
  // When a line of the diary reaches the API server is not for the rotation to say.
  return isWrite && resource !== 'events' && method !== 'DELETE' ? `${what} in phase ${phase}` : what;
}

interface Cut {
  /** The call that is cut, counted from 1 among all or among those of its kind. */
  readonly at: number;
  readonly kind?: string;
  readonly when: 'before' | 'after';
}

/** One operator's life behind the proxy, until it is killed or stopped. */
class Life {
  /** Kinds of its calls, in their order. */
  readonly calls: string[] = [];
  readonly #kill = new AbortController();
  readonly #started: Promise<RunningOperator | undefined>;
  #phase = 'none';

  constructor(stage: Stage, proxy: FaultProxy, cut: Cut | undefined) {
    proxy.fault = (request) => {
      // Whatever a killed process had still to say is never sent.
      if (this.wasKilled) return { cut: 'before' };
      const kind = kindOf(request, this.#phase);
      this.calls.push(kind);
      const count = cut?.kind === undefined ? this.calls.length : this.calls.filter((call) => call === cut.kind).length;
      if (cut === undefined || (cut.kind ?? kind) !== kind || cut.at !== count) return undefined;
      this.wasKilled = true;
      return { cut: cut.when };
    };
    this.#started = stage
      .start({ kubeconfig: proxy.kubeconfig, kill: this.#kill.signal, wrap: (client) => this.#notePhase(client) })
      .catch(() => undefined);
  }

  wasKilled = false;

  /** The phase that was last written, for the names of calls. */
  #notePhase(client: KubeClient): KubeClient {
    return new Proxy(client, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== 'function') return member;
        const call = (member as (...all: unknown[]) => unknown).bind(target);
        if (name !== 'apply') return call;
        return async (...all: unknown[]) => {
          const answer = await call(...all);
          const [, object] = all as [unknown, { readonly status?: LicenceServer['status'] }];
          this.#phase = object.status?.rotation?.phase ?? this.#phase;
          return answer;
        };
      },
    });
  }

  async end(): Promise<void> {
    this.#kill.abort();
    await (await this.#started)?.stop();
  }
}

describe('an operator that is killed at any call of a key rotation', () => {
  // Mostly they wait for pods, so they wait together, each on a stage of its own.
  test.concurrent.each([
    ['before', 'good'],
    ['after', 'good'],
    ['before', 'refused'],
    ['after', 'refused'],
  ] as const)(
    '%s it took effect leaves a state from which the next one ends it (%s key), with the fewest rolls',
    async (when, what) => {
      await using proxy = await startFaultProxy(inject('kubeconfig'));
      const stage = await Stage.open(inject('kubeconfig'));
      await stage.start();
      await stage.putKeys('keys', { erp: freshKey() });
      await stage.create('office', specWithKey());
      let server = await stage.until('office', 'is ready', isReady);
      const office = stage.server('office');

      /** One rotation, in which the operator is killed at `cut` and another one goes on. */
      const rotate = async (cut: Cut | undefined): Promise<Life> => {
        const told = cut === undefined ? 'without a kill' : `killed ${cut.when} call ${cut.at} ${cut.kind ?? ''}`;
        const before = activeKey(server);
        const key = freshKey();
        const fault = { reason: 'KeyRevoked', message: 'ask the vendor' } as const;
        if (what === 'refused') office.vendor.activate.set(keyIdOf(key), fault);
        const starts = office.starts;
        const isOver = (s: LicenceServer) =>
          what === 'good'
            ? isReady(s) && activeKey(s) === keyIdOf(key)
            : s.status?.rotation?.phase === 'RolledBack' &&
              s.status.rotation.copy !== s.status.keysCopy &&
              activeKey(s) === before &&
              condition(s, 'Available')?.status === 'True' &&
              office.starts >= starts + 2;
        await stage.operator?.stop();
        await stage.putKeys('keys', { erp: key });
        const life = new Life(stage, proxy, cut);
        await eventually(
          `it is ${told}, or has come to the end`,
          async () => life.wasKilled || isOver(await stage.licenceServer('office')),
          60_000,
        );
        await life.end();
        await stage.start();
        server = await stage.until('office', `ends after being ${told}`, isOver, 60_000);
        expect(office.starts - starts, `starts after being ${told}`).toBe(what === 'good' ? 1 : 2);
        // What runs is a key that the vendor takes.
        expect(server.status?.keys?.find((view) => view.name === 'erp')?.state).toBe('Active');
        return life;
      };

      let kills = 0;
      if (everyCall) {
        for (let at = 1; ; at++) {
          if (!(await rotate({ at, when })).wasKilled) break;
          kills += 1;
        }
      } else {
        // A read that took effect and one that did not leave the same behind; until it is proven a refused key is a good one.
        const isTold = (kind: string) =>
          what === 'good' ? when === 'before' || !/^(LIST|WATCH|GET)/.test(kind) : /Proving|RolledBack/.test(kind);
        const found = new Set((await rotate(undefined)).calls.filter(isTold));
        for (const kind of found) if ((await rotate({ kind, at: 1, when })).wasKilled) kills += 1;
        // The one of the diary whose moment is not always the same may fail to come.
        expect(kills).toBeGreaterThanOrEqual(found.size - 2);
      }
      if (everyCall) process.stdout.write(`${what} key: killed ${when} each of ${kills} calls\n`);
      expect(kills).toBeGreaterThanOrEqual(everyCall ? 30 : 2);
      await stage.close();
    },
    everyCall ? 3_600_000 : 480_000,
  );
});
