import { passingFaults } from '../../../licence/keyFaults.ts';
import { keyOf } from '../../kube/object.ts';
import type { LicenceServer } from '../api/types.ts';
import { changedKeys, checkDue } from '../decide/rotation.ts';
import { rotationInputOf } from '../decide/rotationInput.ts';
import type { Valid } from '../decide/validate.ts';
import type { CheckResult } from '../observe/checkResult.ts';
import type { ObserveOptions } from '../observe/observe.ts';
import type { Observed } from '../observe/observed.ts';

/**
 * Asks the running server about changed keys, if the rotation is at that point: nothing is switched by it, and asking
 * twice does no harm.
 */
export async function checkKeys(
  options: ObserveOptions,
  server: LicenceServer,
  valid: Valid,
  observed: Observed,
  signal: AbortSignal,
): Promise<CheckResult | undefined> {
  const input = rotationInputOf(valid, server.status ?? {}, observed);
  const target = options.poller.target(keyOf(server));
  if (valid.requests.paused || target === undefined || !checkDue(input)) return undefined;
  const files = await options.lookUp.keyFiles(server, valid.spec, signal);
  let passing: CheckResult | undefined;
  for (const name of changedKeys(input)) {
    const activation = files[name]?.[`${name}.activation`];
    const answer = await options.servers.checkKey(target, files[name]?.[name] ?? '', activation);
    if (!answer.ok) {
      // Nothing that it says of another key would help: all of them go to work together.
      return { kind: 'unanswered', message: answer.message };
    }
    if (answer.value.usable) continue;
    const fault = answer.value.fault ?? { reason: 'AuthorityRefused', message: 'the key would not be activated' };
    // A server that knows nothing of activations would ask an authority that there is none of: it cannot tell beforehand.
    if (activation !== undefined && fault.reason === 'AuthorityUnreachable') continue;
    if (!passingFaults.includes(fault.reason)) return { kind: 'refused', key: name, fault };
    passing ??= { kind: 'passing', key: name, fault };
  }
  return passing ?? { kind: 'usable' };
}
